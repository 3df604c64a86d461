"""Commands and events of the calendar service, and the fields that it reads from other services' events.

`types` makes the commands from GraphQL inputs; `handlers` and `steps` publish the events.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from subgraphs.calendar.model import SlotRecord, Span
from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Event


@dataclass(frozen=True, kw_only=True)
class BlockTime(Command[SlotRecord]):
    """Block a span in the calendar of the musician `by`; returns the slot's record."""

    by: Identity
    span: Span
    time_zone: str
    title: str


@dataclass(frozen=True, kw_only=True)
class FreeTime(Command[SlotRecord]):
    """Mark a span in the calendar of the musician `by` as free; returns the slot's record."""

    by: Identity
    span: Span
    time_zone: str
    title: str


@dataclass(frozen=True, kw_only=True)
class RemoveTime(Command[SlotRecord]):
    """Remove a blocked or free slot of the musician `by`; returns the slot's record."""

    by: Identity
    slot_id: UUID


@dataclass(frozen=True, kw_only=True)
class _SlotFacts(Event):
    aggregate_type: ClassVar[str] = "slot"
    aggregate_key: ClassVar[str] = "slot_id"

    slot_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    booking_id: UUID | None
    kind: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class SlotTaken(_SlotFacts):
    """A musician has become busy in the slot's time, by a booking or by blocking it."""


@dataclass(frozen=True, kw_only=True)
class SlotFreed(_SlotFacts):
    """A musician is not busy in the slot's time any more."""


class MusicianFacts(msgspec.Struct, frozen=True):
    """The fields that this service reads from events about musicians' profiles."""

    musician_id: UUID
    user_id: UUID
