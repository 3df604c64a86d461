"""The use cases of the calendar service.

What musicians do with their own time, and which user a musician is.
"""

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
    """Take no bookings in a span; what was said about it before, the new word replaces."""
    return await _say(uow, command, "blocked")


async def free_time(uow: UnitOfWork, command: messages.FreeTime) -> Row[Any]:
    """Say that one is free in a span.

    What one has blocked in it is free again, what is blocked beside it stays.
    """
    return await _say(uow, command, "free")


async def _say(uow: UnitOfWork, command: messages.BlockTime | messages.FreeTime, kind: str) -> Row[Any]:
    musician_id = await store.lock_musician_of(uow, command.by.user_id)
    if musician_id is None:
        raise Forbidden("Only musicians have a calendar: make your musician profile first")
    if await store.is_booked(uow, musician_id, command.span):
        raise Conflict("You are booked in this time: cancel the booking instead")
    await _clear(uow, musician_id, command.span)
    who = {"musician_id": musician_id, "musician_user_id": command.by.user_id}
    return await _take(
        uow, command.span, {**who, "kind": kind, "time_zone": command.time_zone, "title": command.title}
    )


async def _clear(uow: UnitOfWork, musician_id: UUID, span: Span) -> None:
    """Cut a span out of what a musician has said about their time."""
    touched = await store.own_within(uow, musician_id, span)
    if touched:
        await store.cancel(uow, [row.id for row in touched], "musician")
    for row in touched:
        if row.kind == "blocked":
            uow.emit(messages.SlotFreed(**facts_of(row)))
        kept = {
            name: getattr(row, name)
            for name in ("musician_id", "musician_user_id", "kind", "time_zone", "title")
        }
        for part in store.span_of(row).without(span):
            await _take(uow, part, kept)


async def _take(uow: UnitOfWork, span: Span, values: Mapping[str, Any]) -> Row[Any]:
    row = await store.add_slot(uow, {"id": uuid4(), "during": store.range_of(span), **values})
    if row is None:
        raise Conflict("You have been booked in this time just now")
    if row.kind == "blocked":
        uow.emit(messages.SlotTaken(**facts_of(row)))
    return row


def facts_of(row: Row[Any]) -> dict[str, Any]:
    """The fields of an event about a slot."""
    span = store.span_of(row)
    named = {name: getattr(row, name) for name in ("musician_id", "musician_user_id", "booking_id", "kind")}
    return {"slot_id": row.id, **named, "starts_at": span.starts_at, "ends_at": span.ends_at}


async def store_musician(uow: UnitOfWork, envelope: Envelope) -> None:
    """Remember which user a musician is, for what musicians do with their own time."""
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
