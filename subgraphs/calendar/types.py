"""The GraphQL types of the calendar subgraph.

A musician's busy times are public; the slots are for the musician only.
"""

import enum
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from subgraphs.calendar import model
from subgraphs.calendar.loaders import CalendarContext
from subgraphs.calendar.messages import BlockTime, FreeTime
from subgraphs.kit import budget, checks
from subgraphs.kit.graphql import (
    REFERENCE,
    enum_type,
    enum_value,
    field_with,
    input_type,
    object_type,
    resolver,
)
from subgraphs.kit.identity import Identity
from subgraphs.kit.loaders import uuid_of

Info = strawberry.Info[CalendarContext, None]
From = Annotated[
    datetime,
    strawberry.argument(
        name="from", description="The start of the time; a time without an offset is in UTC."
    ),
]
To = Annotated[
    datetime, strawberry.argument(description="The end of the time, at most 366 days after `from`.")
]


def window(start: datetime, end: datetime) -> model.Span:
    """Return the span between the arguments `from` and `to`, at most MAX_SPAN long. Raises BadUserInput."""
    return model.check_span(start, end, model.MAX_SPAN, ("from", "to"))


@enum_type
class SlotKind(enum.Enum):
    """The kind of a slot."""

    BOOKED = enum_value("booked", "The musician has a booking.")
    BLOCKED = enum_value("blocked", "The musician has blocked the time.")
    FREE = enum_value("free", "The musician has marked the time as free.")


@object_type()
class BusyTime:
    """A time at which a musician cannot be booked."""

    starts_at: datetime = strawberry.field(description="The start of the time, in UTC.")
    ends_at: datetime = strawberry.field(description="The end of the time, in UTC.")


@object_type(keys=[REFERENCE])
class Booking:
    """A booking, of which this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The id of the booking.")


@object_type()
class CalendarSlot:
    """A slot in the caller's calendar as a musician."""

    id: strawberry.ID = strawberry.field(description="The id of the slot.")
    kind: SlotKind = strawberry.field(description="Booked, blocked or free.")
    starts_at: datetime = strawberry.field(description="The start of the slot, in UTC.")
    ends_at: datetime = strawberry.field(description="The end of the slot, in UTC.")
    time_zone: str = strawberry.field(description="The IANA time zone in which to show the slot.")
    title: str = strawberry.field(description="The title of the slot.")
    created_at: datetime = strawberry.field(description="When the slot was added.")
    booking_id: strawberry.Private[UUID | None]

    @resolver
    def booking(self) -> Booking | None:
        """The booking for which the slot is booked; null for a blocked or free slot."""
        return Booking(id=strawberry.ID(str(self.booking_id))) if self.booking_id else None

    @classmethod
    def of(cls, slot: model.SlotRecord) -> "CalendarSlot":
        """Return the GraphQL object of a slot."""
        return cls(
            id=strawberry.ID(str(slot.id)),
            kind=SlotKind(slot.kind),
            starts_at=slot.span.starts_at,
            ends_at=slot.span.ends_at,
            time_zone=slot.time_zone,
            title=slot.title,
            created_at=slot.created_at,
            booking_id=slot.booking_id,
        )


@object_type(keys=["id"])
class Musician:
    """A musician, with their busy times."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")
    key: strawberry.Private[UUID]

    @field_with(list_size=100)
    async def busy_times(self, info: Info, start: From, to: To) -> list[BusyTime] | None:
        """The times at which the musician cannot be booked, in order, without the reasons."""
        return await busy_times(info, self.key, window(start, to))

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Musician | None":
        """Return the musician with this id, without a check that it exists: the musicians service does it."""
        key = uuid_of(id)
        return cls(id=id, key=key) if key else None


async def busy_times(info: Info, musician_id: UUID, span: model.Span) -> list[BusyTime]:
    """Return the times that overlap a span and in which a musician is busy. Raises TooManyElements."""
    spans = await info.context.busy_times.load((musician_id, span))
    budget.spend(len(spans))
    return [BusyTime(starts_at=busy.starts_at, ends_at=busy.ends_at) for busy in spans]


@input_type
class TimeInput:
    """A time in the caller's calendar."""

    starts_at: datetime = strawberry.field(
        description="The start of the time; a time without an offset is in UTC."
    )
    ends_at: datetime = strawberry.field(
        description="The end of the time, at most 366 days after `startsAt`."
    )
    time_zone: str = strawberry.field(
        default="UTC", description="The IANA time zone in which to show the time."
    )
    title: str = strawberry.field(default="", description="A title, which only you can see.")

    def read_block(self, by: Identity) -> BlockTime:
        """Return the caller's command to block the time. Raises BadUserInput."""
        return BlockTime(
            by=by, span=self._span(), time_zone=checks.time_zone(self.time_zone), title=self._title()
        )

    def read_free(self, by: Identity) -> FreeTime:
        """Return the caller's command to free the time. Raises BadUserInput."""
        return FreeTime(
            by=by, span=self._span(), time_zone=checks.time_zone(self.time_zone), title=self._title()
        )

    def _span(self) -> model.Span:
        return model.check_span(self.starts_at, self.ends_at, model.MAX_SPAN)

    def _title(self) -> str:
        return model.check_title(self.title)
