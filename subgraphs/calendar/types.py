"""The GraphQL types of the calendar subgraph.

A musician's busy times are public; the slots are for the musician only.
"""

import enum
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

import strawberry

from subgraphs.calendar import model
from subgraphs.calendar.loaders import CalendarContext
from subgraphs.calendar.messages import BlockTime, FreeTime
from subgraphs.kit import budget, checks
from subgraphs.kit.between import BetweenInput
from subgraphs.kit.cache_hints import public
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
from subgraphs.kit.payloads import Payload

Info = strawberry.Info[CalendarContext, None]
Setting = TypeVar("Setting", BlockTime, FreeTime)
Time = Annotated[
    BetweenInput,
    strawberry.argument(description="The time, with `from` and `to`, at most 366 days."),
]


def window(between: BetweenInput) -> model.Span:
    """Return the span of the argument `between`, at most MAX_SPAN long. Raises BadUserInput."""
    return model.check_span(*between.read_both(), model.MAX_SPAN, ("between.from", "between.to"))


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
    """The booking of a slot."""

    uuid: strawberry.ID


@object_type(keys=["uuid"])
class CalendarSlot:
    """A slot in the caller's calendar as a musician."""

    uuid: strawberry.ID
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
        return Booking(uuid=strawberry.ID(str(self.booking_id))) if self.booking_id else None

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "CalendarSlot | None":
        """Return the active slot with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        info.context.require()
        key = uuid_of(uuid)
        slot = await info.context.slots.load(key) if key else None
        if slot is None:
            return None
        info.context.require_owner_or_admin(slot.musician_user_id)
        return cls.of(slot)

    @classmethod
    def of(cls, slot: model.SlotRecord) -> "CalendarSlot":
        """Return the GraphQL object of a slot."""
        return cls(
            uuid=strawberry.ID(str(slot.id)),
            kind=SlotKind(slot.kind),
            starts_at=slot.span.starts_at,
            ends_at=slot.span.ends_at,
            time_zone=slot.time_zone,
            title=slot.title,
            created_at=slot.created_at,
            booking_id=slot.booking_id,
        )


@object_type(keys=["uuid"])
class Musician:
    """A musician, with their busy times."""

    uuid: strawberry.ID
    key: strawberry.Private[UUID]

    @field_with(list_size=100, cached=public(30))
    async def busy_times(self, info: Info, between: Time) -> list[BusyTime] | None:
        """The times at which the musician cannot be booked, in order, without the reasons."""
        return await busy_times(info, self.key, window(between))

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Musician | None":
        """Return the musician with this id, without a check that it exists: the musicians service does it."""
        key = uuid_of(uuid)
        return cls(uuid=uuid, key=key) if key else None


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

    def read(self, by: Identity, kind: type[Setting]) -> Setting:
        """Return the caller's command to block or to free the time; `kind`: its type.

        Raises BadUserInput with every wrong field.
        """
        with checks.Mistakes() as mistakes:
            span = mistakes.check(model.check_span, self.starts_at, self.ends_at, model.MAX_SPAN)
            time_zone = mistakes.check(checks.time_zone, self.time_zone)
            title = mistakes.check(model.check_title, self.title)
        return kind(by=by, span=span, time_zone=time_zone, title=title)


@object_type()
class BlockTimePayload(Payload):
    """The result of `blockTime`."""

    slot: CalendarSlot | None = strawberry.field(default=None, description="The new slot, which is blocked.")


@object_type()
class FreeTimePayload(Payload):
    """The result of `freeTime`."""

    slot: CalendarSlot | None = strawberry.field(default=None, description="The new slot, which is free.")


@object_type()
class RemoveTimePayload(Payload):
    """The result of `removeTime`."""

    slot: CalendarSlot | None = strawberry.field(
        default=None, description="The slot, which is not in the calendar any more."
    )
