"""The types of the calendar subgraph. When a musician is busy is public; with what, is theirs."""

import enum
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import Row

from subgraphs.calendar import model, store
from subgraphs.calendar.loaders import CalendarContext
from subgraphs.calendar.messages import BlockTime, FreeTime
from subgraphs.kit import budget, checks
from subgraphs.kit.graphql import REFERENCE, enum_type, enum_value, input_type, object_type, resolver
from subgraphs.kit.identity import Identity
from subgraphs.kit.loaders import uuid_of

Info = strawberry.Info[CalendarContext, None]
From = Annotated[
    datetime, strawberry.argument(name="from", description="From when on; without an offset it is UTC.")
]
To = Annotated[datetime, strawberry.argument(description="Until when, at most 366 days later.")]


def window(start: datetime, end: datetime) -> model.Span:
    """The span that a caller asks for."""
    return model.check_span(start, end, model.LONGEST, ("from", "to"))


@enum_type
class SlotKind(enum.Enum):
    """What a slot of time is."""

    BOOKED = enum_value("booked", "A booking has it.")
    BLOCKED = enum_value("blocked", "The musician takes no bookings.")
    FREE = enum_value("free", "The musician says that they are free.")


@object_type()
class BusyTime:
    """When a musician cannot be booked."""

    starts_at: datetime = strawberry.field(description="From when on, in UTC.")
    ends_at: datetime = strawberry.field(description="Until when, in UTC.")


@object_type(keys=[REFERENCE])
class Booking:
    """A booking, of which only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The id of the booking.")


@object_type()
class CalendarSlot:
    """Something in a musician's calendar; for themselves."""

    id: strawberry.ID = strawberry.field(description="The id of the slot.")
    kind: SlotKind = strawberry.field(description="What it is.")
    starts_at: datetime = strawberry.field(description="When it begins, in UTC.")
    ends_at: datetime = strawberry.field(description="When it ends, in UTC.")
    time_zone: str = strawberry.field(description="The IANA time zone in which it was meant.")
    title: str = strawberry.field(description="What it is about.")
    created_at: datetime = strawberry.field(description="Since when it is there.")
    booking_id: strawberry.Private[UUID | None]

    @resolver
    def booking(self) -> Booking | None:
        """The booking that has it, if one does."""
        return Booking(id=strawberry.ID(str(self.booking_id))) if self.booking_id else None

    @classmethod
    def of(cls, row: Row[Any]) -> "CalendarSlot":
        """Return the GraphQL type of a row."""
        span = store.span_of(row)
        return cls(
            id=strawberry.ID(str(row.id)),
            kind=SlotKind(row.kind),
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            time_zone=row.time_zone,
            title=row.title,
            created_at=row.created_at,
            booking_id=row.booking_id,
        )


@object_type(keys=["id"])
class Musician:
    """A musician, as far as their time goes."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")
    key: strawberry.Private[UUID]

    @resolver
    async def busy_times(self, info: Info, start: From, to: To) -> list[BusyTime] | None:
        """When they cannot be booked, in order; with what they are busy is not said."""
        return await busy_times(info, self.key, window(start, to))

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Musician | None":
        """Return the musician with this id; whether it exists is not checked here but in the musicians
        service.
        """
        key = uuid_of(id)
        return cls(id=id, key=key) if key else None


async def busy_times(info: Info, musician_id: UUID, span: model.Span) -> list[BusyTime]:
    """When a musician is busy within a span; the loader asks for all musicians of a request at once."""
    found = await info.context.busy_times.load((musician_id, span))
    budget.spend(len(found))
    return [BusyTime(starts_at=one.starts_at, ends_at=one.ends_at) for one in found]


@input_type
class TimeInput:
    """A stretch of one's own time."""

    starts_at: datetime = strawberry.field(description="From when on; without an offset it is UTC.")
    ends_at: datetime = strawberry.field(description="Until when, at most 366 days later.")
    time_zone: str = strawberry.field(default="UTC", description="The IANA time zone in which it is meant.")
    title: str = strawberry.field(default="", description="What it is about; only you see it.")

    def read_block(self, by: Identity) -> BlockTime:
        """The order to block it."""
        return BlockTime(
            by=by, span=self._span(), time_zone=checks.time_zone(self.time_zone), title=self._title()
        )

    def read_free(self, by: Identity) -> FreeTime:
        """The order to free it."""
        return FreeTime(
            by=by, span=self._span(), time_zone=checks.time_zone(self.time_zone), title=self._title()
        )

    def _span(self) -> model.Span:
        return model.check_span(self.starts_at, self.ends_at, model.LONGEST)

    def _title(self) -> str:
        return model.check_title(self.title)
