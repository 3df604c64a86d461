"""Queries and mutations of the calendar subgraph, and the steps of sagas that block a musician's time."""

from datetime import datetime
from typing import Final

import strawberry
from strawberry.scalars import JSON

from subgraphs.calendar import model, steps, store
from subgraphs.calendar.types import (
    BusyTime,
    CalendarSlot,
    From,
    Info,
    Musician,
    TimeInput,
    To,
    busy_times,
    window,
)
from subgraphs.kit import budget, checks
from subgraphs.kit.copies import KeyedTable, digests_field, versions_field
from subgraphs.kit.graphql import Schema, field_with, for_role, object_type
from subgraphs.kit.steps import StepOrder, run_step, step_field

OF_BOOKINGS: Final = {"time_of_booking": KeyedTable("booked_times", "booking_id")}
"""What the consistency check compares with bookings."""


@object_type()
class Query:
    """Queries about musicians' calendars."""

    @field_with(list_size=100)
    async def musician_availability(
        self, info: Info, musician_id: strawberry.ID, start: From, to: To
    ) -> list[BusyTime] | None:
        """The times at which a musician cannot be booked, in order, without the reasons."""
        return await busy_times(info, checks.identifier(musician_id, "musicianId"), window(start, to))

    @field_with(authenticated=True, list_size=100)
    async def my_calendar(self, info: Info, start: From, to: To) -> list[CalendarSlot] | None:
        """The caller's calendar as a musician, in order: bookings, blocked times and free times."""
        user_id = info.context.require().user_id
        slots = await store.calendar_of(info.context.database, user_id, window(start, to))
        budget.spend(len(slots))
        return [CalendarSlot.of(slot) for slot in slots]

    copy_digests = digests_field(OF_BOOKINGS)
    copy_versions = versions_field(OF_BOOKINGS)


@object_type()
class Mutation:
    """Mutations of musicians' calendars."""

    @for_role("musician")
    async def block_time(self, info: Info, input: TimeInput) -> CalendarSlot | None:
        """Block a time, so that the caller cannot be booked in it; for musicians."""
        command = input.read_block(info.context.require_role("musician"))
        return CalendarSlot.of(await info.context.bus.handle(command))

    @for_role("musician")
    async def free_time(self, info: Info, input: TimeInput) -> CalendarSlot | None:
        """Mark a time as free, which removes blocked times in it; for musicians."""
        command = input.read_free(info.context.require_role("musician"))
        return CalendarSlot.of(await info.context.bus.handle(command))

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
