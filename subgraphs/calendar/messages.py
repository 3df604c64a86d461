"""Orders to the calendar service, what it tells the others, and what it reads in the events of others."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from sqlalchemy import Row

from subgraphs.calendar.model import Span
from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Event


@dataclass(frozen=True, kw_only=True)
class BlockTime(Command[Row[Any]]):
    """Take no bookings in a span; returns the slot's row."""

    by: Identity
    span: Span
    time_zone: str
    title: str


@dataclass(frozen=True, kw_only=True)
class FreeTime(Command[Row[Any]]):
    """Take bookings in a span, whatever was blocked in it; returns the slot's row."""

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
    """A musician is busy then: booked, or blocked by themselves."""


@dataclass(frozen=True, kw_only=True)
class SlotFreed(_SlotFacts):
    """What was taken holds no longer."""


class MusicianFacts(msgspec.Struct, frozen=True):
    """What this service reads in the musicians' events."""

    musician_id: UUID
    user_id: UUID
