"""The steps of sagas in the calendar service: block a musician's time for a booking, release it; and the undo
of each step.

`kit/steps` calls them with `given`, the input of the step, and, to undo it, `done`, the result of doing it.
"""

from datetime import datetime
from uuid import UUID

from subgraphs.calendar import messages, model, store
from subgraphs.calendar.handlers import facts_of
from subgraphs.calendar.model import NewSlot, Span
from subgraphs.kit.ended_bookings import check_not_ended, mark_ended, unmark_ended
from subgraphs.kit.errors import Conflict
from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork

_NOT_FREE = "The musician is busy in this time"


async def block(uow: UnitOfWork, given: Given) -> Given:
    """Add a booked slot for a booking; return its id.

    Raises Conflict if the musician is busy in this time, or the booking has ended or has a slot already.
    """
    booking_id = UUID(given["bookingId"])
    await check_not_ended(uow, booking_id)
    if await store.lock_of_booking(uow, booking_id) is not None:
        raise Conflict(f"The booking {given['bookingId']} has a slot already")
    new = NewSlot(
        musician_id=UUID(given["musicianId"]),
        musician_user_id=UUID(given["musicianUserId"]),
        booking_id=booking_id,
        kind="booked",
        span=Span(datetime.fromisoformat(given["startsAt"]), datetime.fromisoformat(given["endsAt"])),
        time_zone=given["timeZone"],
        title=given["title"],
    )
    slot = await store.add_slot(uow, new)
    if slot is None:
        raise Conflict(_NOT_FREE)
    uow.emit(messages.SlotTaken(**facts_of(slot)))
    return {"slotId": str(slot.id)}


async def unblock(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `block`: cancel the slot, so that it cannot be restored. Raises NotFound."""
    slot = await store.lock(uow, UUID(done["slotId"]))
    await store.mark_undone(uow, slot.id)
    if slot.cancelled_at is None:
        uow.emit(messages.SlotFreed(**facts_of(slot)))
    return {"slotId": str(slot.id)}


async def release(uow: UnitOfWork, given: Given) -> Given:
    """Cancel the slot of a booking; return its id, None if it has no slot: the saga that made the booking had
    not blocked the time yet. From now on no time is blocked for the booking.
    """
    await mark_ended(uow, UUID(given["bookingId"]))
    slot = await store.lock_of_booking(uow, UUID(given["bookingId"]))
    if slot is None:
        return {"slotId": None}
    await store.cancel(uow, [slot.id], "release")
    uow.emit(messages.SlotFreed(**facts_of(slot)))
    return {"slotId": str(slot.id)}


async def unrelease(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `release`: make the slot active again.

    Raises NotFound, and Conflict if the musician is busy in this time now or the slot's `block` was undone.
    """
    await unmark_ended(uow, UUID(given["bookingId"]))
    if done["slotId"] is None:
        return {"slotId": None}
    slot = await store.lock(uow, UUID(done["slotId"]))
    model.check_restorable(slot)
    if not await store.restore_slot(uow, slot.id):
        raise Conflict(_NOT_FREE)
    uow.emit(messages.SlotTaken(**facts_of(slot)))
    return {"slotId": str(slot.id)}
