"""Commands and events of the calendar service, and the fields of others' events that it reads."""

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
    """Block a span in a musician's calendar; returns the slot's record."""

    by: Identity
    span: Span
    time_zone: str
    title: str


@dataclass(frozen=True, kw_only=True)
class FreeTime(Command[SlotRecord]):
    """Mark a span in a musician's calendar as free; returns the slot's record."""

    by: Identity
    span: Span
    time_zone: str
    title: str


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
    """A musician has become busy in this time, by a booking or an own block."""


@dataclass(frozen=True, kw_only=True)
class SlotFreed(_SlotFacts):
    """A musician is not busy in this time any more."""


class MusicianFacts(msgspec.Struct, frozen=True):
    """The fields of the musicians' events that this service reads."""

    musician_id: UUID
    user_id: UUID
