"""Queries and mutations of the calendar subgraph, and the steps of sagas that block a musician's time."""

from datetime import datetime
from functools import partial
from typing import Annotated, Final

import strawberry
from strawberry.scalars import JSON

from subgraphs.calendar import model, steps, store
from subgraphs.calendar.messages import BlockTime, FreeTime, RemoveTime
from subgraphs.calendar.model import SlotRecord
from subgraphs.calendar.types import (
    BlockTimePayload,
    BusyTime,
    CalendarSlot,
    FreeTimePayload,
    Info,
    Musician,
    RemoveTimePayload,
    SlotKind,
    Time,
    TimeInput,
    busy_times,
    window,
)
from subgraphs.kit import budget, checks
from subgraphs.kit.cache_hints import public
from subgraphs.kit.commands.status import CommandStatus, status_of
from subgraphs.kit.copies import KeyedTable, digests_field, versions_field
from subgraphs.kit.graphql import Schema, field_with, for_role, for_users, object_type
from subgraphs.kit.idempotency_keys import IdempotencyKey, RequiredKey, command_id_of
from subgraphs.kit.messages import Command
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.payloads import user_errors
from subgraphs.kit.steps import StepOrder, run_step, step_field

OF_BOOKINGS: Final = {"time_of_booking": KeyedTable("booked_times", "booking_id")}
"""What the consistency check compares with bookings."""


MusicianId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the musician.")]
Kind = Annotated[SlotKind | None, strawberry.argument(description="Only slots of this kind.")]
OwnSlot = Annotated[
    strawberry.ID,
    strawberry.argument(description="The global id of a blocked or free slot of the caller."),
]


async def _changed(info: Info, command: Command[SlotRecord], idempotency_key: str | None) -> CalendarSlot:
    """Execute a command of a musician whose profile may have been created just now; return its slot."""
    by, database = info.context.require(), info.context.database
    command_id = command_id_of(idempotency_key, by)
    await await_known(partial(store.musician_of, database, by.user_id), info.context)
    return CalendarSlot.of(await info.context.bus.handle(command, command_id))


@object_type()
class Query:
    """Queries about musicians' calendars."""

    @field_with(list_size=100, cached=public(30))
    async def musician_availability(
        self, info: Info, musician_id: MusicianId, between: Time
    ) -> list[BusyTime] | None:
        """The times at which a musician cannot be booked, in order, without the reasons."""
        with checks.Mistakes() as mistakes:
            key = mistakes.check(checks.identifier, musician_id, "musicianId", "Musician")
            span = mistakes.check(window, between)
        info.context.tag_reply("Musician", key)
        return await busy_times(info, key, span)

    @field_with(authenticated=True, list_size=100)
    async def my_calendar(self, info: Info, between: Time, kind: Kind = None) -> list[CalendarSlot] | None:
        """The caller's calendar as a musician, in order: bookings, blocked times and free times."""
        user_id = info.context.require().user_id
        span = window(between)
        slots = await store.calendar_of(info.context.database, user_id, span, kind and kind.value)
        budget.spend(len(slots))
        return [CalendarSlot.of(slot) for slot in slots]

    @for_users
    async def calendar_command(self, info: Info, idempotency_key: RequiredKey) -> CommandStatus | None:
        """The status of a change of the caller's calendar that was sent with an idempotency key."""
        return await status_of(info.context.database, info.context.require(), idempotency_key)

    copy_digests = digests_field(OF_BOOKINGS)
    copy_versions = versions_field(OF_BOOKINGS)


@object_type()
class Mutation:
    """Mutations of musicians' calendars."""

    @for_role("musician")
    @user_errors(BlockTimePayload)
    async def block_time(
        self, info: Info, input: TimeInput, idempotency_key: IdempotencyKey = None
    ) -> BlockTimePayload | None:
        """Block a time, so that the caller cannot be booked in it; for musicians."""
        command = input.read(info.context.require_role("musician"), BlockTime)
        return BlockTimePayload(slot=await _changed(info, command, idempotency_key))

    @for_role("musician")
    @user_errors(FreeTimePayload)
    async def free_time(
        self, info: Info, input: TimeInput, idempotency_key: IdempotencyKey = None
    ) -> FreeTimePayload | None:
        """Mark a time as free, which removes blocked times in it; for musicians."""
        command = input.read(info.context.require_role("musician"), FreeTime)
        return FreeTimePayload(slot=await _changed(info, command, idempotency_key))

    @for_role("musician")
    @user_errors(RemoveTimePayload)
    async def remove_time(
        self, info: Info, id: OwnSlot, idempotency_key: IdempotencyKey = None
    ) -> RemoveTimePayload | None:
        """Remove a blocked or free slot from the caller's calendar; for musicians."""
        by = info.context.require_role("musician")
        command = RemoveTime(by=by, slot_id=checks.identifier(id, "id", "CalendarSlot"))
        return RemoveTimePayload(slot=await _changed(info, command, idempotency_key))

    @step_field
    async def block_availability(
        self,
        info: Info,
        order: StepOrder,
        booking_id: strawberry.ID,
        musician_id: strawberry.ID,
        musician_user_id: strawberry.ID,
        starts_at: datetime,
        ends_at: datetime,
        time_zone: str,
        title: str,
    ) -> JSON | None:
        """Step of a saga: block a musician's time for a booking, or undo that."""
        span = model.check_span(starts_at, ends_at, model.MAX_EVENT)
        given = {
            "bookingId": str(checks.identifier(booking_id, "bookingId")),
            "musicianId": str(checks.identifier(musician_id, "musicianId")),
            "musicianUserId": str(checks.identifier(musician_user_id, "musicianUserId")),
            "startsAt": span.starts_at.isoformat(),
            "endsAt": span.ends_at.isoformat(),
            "timeZone": checks.time_zone(time_zone),
            "title": model.check_title(title),
        }
        return await run_step(info.context, order, given, steps.block, steps.unblock)

    @step_field
    async def release_availability(
        self, info: Info, order: StepOrder, booking_id: strawberry.ID
    ) -> JSON | None:
        """Step of a saga: release the time of a booking, or undo that."""
        given = {"bookingId": str(checks.identifier(booking_id, "bookingId"))}
        return await run_step(info.context, order, given, steps.release, steps.unrelease)


schema = Schema(Query, Mutation, types=[Musician])
