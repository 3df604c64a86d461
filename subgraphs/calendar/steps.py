"""What sagas do with a musician's time: take it for a booking, let go of it; and how each is taken back."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from subgraphs.calendar import messages, store
from subgraphs.calendar.handlers import facts_of
from subgraphs.calendar.model import Span
from subgraphs.kit.errors import Conflict, NotFound
from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork

_TAKEN = "The musician is not free in this time"


async def block(uow: UnitOfWork, given: Given) -> Given:
    """Take the musician's time for a booking; a Conflict if they are busy."""
    span = Span(datetime.fromisoformat(given["startsAt"]), datetime.fromisoformat(given["endsAt"]))
    ids = {"booking_id": "bookingId", "musician_id": "musicianId", "musician_user_id": "musicianUserId"}
    about = {column: UUID(given[name]) for column, name in ids.items()}
    text = {"time_zone": given["timeZone"], "title": given["title"]}
    if await store.lock_of_booking(uow, about["booking_id"]) is not None:
        raise Conflict("The booking has its time already")
    row = await store.add_slot(
        uow, {"id": uuid4(), "kind": "booked", "during": store.range_of(span), **about, **text}
    )
    if row is None:
        raise Conflict(_TAKEN)
    uow.emit(messages.SlotTaken(**facts_of(row)))
    return {"slotId": str(row.id)}


async def unblock(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """The time is free again, and this slot never holds any more."""
    row = await _locked(uow, done)
    await store.mark_undone(uow, row.id)
    if row.cancelled_at is None:
        uow.emit(messages.SlotFreed(**facts_of(row)))
    return {"slotId": str(row.id)}


async def release(uow: UnitOfWork, given: Given) -> Given:
    """The booking lets go of its time."""
    row = await store.lock_of_booking(uow, UUID(given["bookingId"]))
    if row is None:
        raise NotFound("The booking holds no time")
    await store.cancel(uow, [row.id], "release")
    uow.emit(messages.SlotFreed(**facts_of(row)))
    return {"slotId": str(row.id)}


async def unrelease(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """The booking has its time again; a Conflict if the musician is busy by now."""
    row = await _locked(uow, done)
    if row.cancelled_by != "release":
        raise Conflict("What had taken this time was taken back")
    if not await store.restore_slot(uow, row.id):
        raise Conflict(_TAKEN)
    uow.emit(messages.SlotTaken(**facts_of(row)))
    return {"slotId": str(row.id)}


async def _locked(uow: UnitOfWork, done: Given) -> Row[Any]:
    """The slot that a step has answered, locked."""
    row = await store.lock(uow, UUID(done["slotId"]))
    if row is None:
        raise NotFound("There is no such slot")
    return row
