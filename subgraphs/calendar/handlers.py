"""The use cases of the calendar service: musicians block and free time in their calendars, and remove slots.

A new slot replaces the parts of the musician's own slots (blocked or free) in its span; booked slots are
changed by sagas only (`steps`).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from subgraphs.calendar import messages, model, store
from subgraphs.calendar.model import NewSlot, SlotRecord, Span
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.commands.log import Reload
from subgraphs.kit.errors import Conflict, Forbidden
from subgraphs.kit.messages import Command, Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.records import values_of
from subgraphs.kit.unit_of_work import UnitOfWork


async def block_time(uow: UnitOfWork, command: messages.BlockTime) -> SlotRecord:
    """Block a span in the caller's calendar, so that the musician cannot be booked; return the new slot.

    Raises Forbidden without a musician's profile, Conflict if a booking overlaps the span.
    """
    return await _set_time(uow, command, "blocked")


async def free_time(uow: UnitOfWork, command: messages.FreeTime) -> SlotRecord:
    """Mark a span in the caller's calendar as free; return the new slot.

    Raises the errors of `block_time`.
    """
    return await _set_time(uow, command, "free")


async def remove_time(uow: UnitOfWork, command: messages.RemoveTime) -> SlotRecord:
    """Remove a blocked or free slot from the caller's calendar; return its record.

    Raises NotFound unless it is an active slot of the caller, Conflict if it is booked.
    """
    slot = await store.lock(uow, command.slot_id)
    model.check_removable(slot, command.by.user_id)
    await store.cancel(uow, [slot.id], "musician")
    if slot.kind == "blocked":
        uow.emit(messages.SlotFreed(**facts_of(slot)))
    return slot


async def _set_time(
    uow: UnitOfWork, command: messages.BlockTime | messages.FreeTime, kind: str
) -> SlotRecord:
    musician_id = await store.lock_musician_of(uow, command.by.user_id)
    if musician_id is None:
        raise Forbidden(
            "Only musicians with a profile have a calendar: create one with createMusicianProfile"
        )
    if await store.is_booked(uow, musician_id, command.span):
        raise Conflict(
            "You have a booking in this time, which cannot be blocked or freed: cancel the booking"
        )
    await _clear(uow, musician_id, command.span)
    new = NewSlot(
        musician_id=musician_id,
        musician_user_id=command.by.user_id,
        kind=kind,
        span=command.span,
        time_zone=command.time_zone,
        title=command.title,
    )
    return await _add_slot(uow, new)


async def _clear(uow: UnitOfWork, musician_id: UUID, span: Span) -> None:
    """Cancel a musician's own slots that overlap a span, and add slots for their parts outside of it."""
    touched = await store.own_within(uow, musician_id, span)
    if touched:
        await store.cancel(uow, [slot.id for slot in touched], "musician")
    for cut in model.cuts(touched, span):
        if cut.slot.kind == "blocked":
            uow.emit(messages.SlotFreed(**facts_of(cut.slot)))
        for part in cut.parts:
            await _add_slot(uow, part)


async def _add_slot(uow: UnitOfWork, new: NewSlot) -> SlotRecord:
    slot = await store.add_slot(uow, new)
    if slot is None:
        raise Conflict("A booking was made in this time just now: query your calendar")
    if slot.kind == "blocked":
        uow.emit(messages.SlotTaken(**facts_of(slot)))
    return slot


def facts_of(slot: SlotRecord) -> dict[str, Any]:
    """Return the fields of the events SlotTaken and SlotFreed for a slot, by name."""
    named = values_of(slot, "musician_id", "musician_user_id", "booking_id", "kind")
    return {"slot_id": slot.id, **named, "starts_at": slot.span.starts_at, "ends_at": slot.span.ends_at}


async def store_musician(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store which user owns a musician's profile (a handler of events), and so the musician's calendar."""
    facts = envelope.read(messages.MusicianFacts)
    await store.upsert_musician(uow, facts.musician_id, facts.user_id, envelope.position)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    messages.BlockTime: block_time,
    messages.FreeTime: free_time,
    messages.RemoveTime: remove_time,
}
RESULTS: Mapping[type[Command[Any]], Reload] = dict.fromkeys(COMMAND_HANDLERS, store.slot)
"""By command type, the function that loads the slot that an earlier execution of the command returned."""
EVENT_HANDLERS: Mapping[str, EventHandler] = {
    "MusicianProfileCreated": store_musician,
    "MusicianProfileUpdated": store_musician,
}
