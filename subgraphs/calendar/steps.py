"""The steps of sagas in the calendar service: block a musician's time for a booking, release it; and their
undoing.

`given` is the input of a step, `done` the result of doing it.
"""

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

_NOT_FREE = "The musician is busy in this time"


async def block(uow: UnitOfWork, given: Given) -> Given:
    """Block a musician's time for a booking. Raises Conflict if the musician is busy, or the booking has a
    slot.
    """
    span = Span(datetime.fromisoformat(given["startsAt"]), datetime.fromisoformat(given["endsAt"]))
    ids = {"booking_id": "bookingId", "musician_id": "musicianId", "musician_user_id": "musicianUserId"}
    keys = {column: UUID(given[name]) for column, name in ids.items()}
    text = {"time_zone": given["timeZone"], "title": given["title"]}
    if await store.lock_of_booking(uow, keys["booking_id"]) is not None:
        raise Conflict(f"The booking {given['bookingId']} has a slot already")
    row = await store.add_slot(
        uow, {"id": uuid4(), "kind": "booked", "during": store.range_of(span), **keys, **text}
    )
    if row is None:
        raise Conflict(_NOT_FREE)
    uow.emit(messages.SlotTaken(**facts_of(row)))
    return {"slotId": str(row.id)}


async def unblock(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `block`: cancel the slot for good."""
    row = await _locked(uow, done)
    await store.mark_undone(uow, row.id)
    if row.cancelled_at is None:
        uow.emit(messages.SlotFreed(**facts_of(row)))
    return {"slotId": str(row.id)}


async def release(uow: UnitOfWork, given: Given) -> Given:
    """Cancel the slot of a booking. Raises NotFound if it has none."""
    row = await store.lock_of_booking(uow, UUID(given["bookingId"]))
    if row is None:
        raise NotFound(f"The booking {given['bookingId']} has no slot")
    await store.cancel(uow, [row.id], "release")
    uow.emit(messages.SlotFreed(**facts_of(row)))
    return {"slotId": str(row.id)}


async def unrelease(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `release`: the slot is active again. Raises Conflict if the musician is busy now."""
    row = await _locked(uow, done)
    if row.cancelled_by != "release":
        raise Conflict("The release cannot be undone: the blocking of this time was undone")
    if not await store.restore_slot(uow, row.id):
        raise Conflict(_NOT_FREE)
    uow.emit(messages.SlotTaken(**facts_of(row)))
    return {"slotId": str(row.id)}


async def _locked(uow: UnitOfWork, done: Given) -> Row[Any]:
    """Return the slot in the result of a step, locked. Raises NotFound."""
    row = await store.lock(uow, UUID(done["slotId"]))
    if row is None:
        raise NotFound(f"There is no slot with the id {done['slotId']}")
    return row
