"""The use cases of the calendar service: musicians block and free time in their calendar."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from subgraphs.calendar import messages, store
from subgraphs.calendar.model import Span
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Conflict, Forbidden
from subgraphs.kit.messages import Command, Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.unit_of_work import UnitOfWork


async def block_time(uow: UnitOfWork, command: messages.BlockTime) -> Row[Any]:
    """Block a span for bookings; it replaces the parts of own slots within the span. Raises Forbidden,
    Conflict.
    """
    return await _set_time(uow, command, "blocked")


async def free_time(uow: UnitOfWork, command: messages.FreeTime) -> Row[Any]:
    """Mark a span as free; it replaces the parts of own slots within the span. Raises Forbidden, Conflict."""
    return await _set_time(uow, command, "free")


async def _set_time(uow: UnitOfWork, command: messages.BlockTime | messages.FreeTime, kind: str) -> Row[Any]:
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
    who = {"musician_id": musician_id, "musician_user_id": command.by.user_id}
    return await _add_slot(
        uow, command.span, {**who, "kind": kind, "time_zone": command.time_zone, "title": command.title}
    )


async def _clear(uow: UnitOfWork, musician_id: UUID, span: Span) -> None:
    """Remove a span from a musician's own slots; the parts of a slot outside of the span stay."""
    touched = await store.own_within(uow, musician_id, span)
    if touched:
        await store.cancel(uow, [row.id for row in touched], "musician")
    for row in touched:
        if row.kind == "blocked":
            uow.emit(messages.SlotFreed(**facts_of(row)))
        unchanged = {
            name: getattr(row, name)
            for name in ("musician_id", "musician_user_id", "kind", "time_zone", "title")
        }
        for part in store.span_of(row).without(span):
            await _add_slot(uow, part, unchanged)


async def _add_slot(uow: UnitOfWork, span: Span, values: Mapping[str, Any]) -> Row[Any]:
    row = await store.add_slot(uow, {"id": uuid4(), "during": store.range_of(span), **values})
    if row is None:
        raise Conflict("A booking was made in this time just now: query your calendar")
    if row.kind == "blocked":
        uow.emit(messages.SlotTaken(**facts_of(row)))
    return row


def facts_of(row: Row[Any]) -> dict[str, Any]:
    """Return the fields of an event about a slot."""
    span = store.span_of(row)
    named = {name: getattr(row, name) for name in ("musician_id", "musician_user_id", "booking_id", "kind")}
    return {"slot_id": row.id, **named, "starts_at": span.starts_at, "ends_at": span.ends_at}


async def store_musician(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store which user owns a musician's profile, and so the musician's calendar."""
    facts = envelope.read(messages.MusicianFacts)
    await store.upsert_musician(uow, facts.musician_id, facts.user_id, envelope.position)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    messages.BlockTime: block_time,
    messages.FreeTime: free_time,
}
EVENT_HANDLERS: Mapping[str, EventHandler] = {
    "MusicianProfileCreated": store_musician,
    "MusicianProfileUpdated": store_musician,
}
