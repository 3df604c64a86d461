"""Orders to the notifications service, its events, and what it reads in the events of others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from sqlalchemy import Row

from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Event
from subgraphs.notifications.model import DeliverySettings


@dataclass(frozen=True, kw_only=True)
class MarkRead(Command[Row[Any]]):
    """Mark a notification as read; returns its row."""

    by: Identity
    notification_id: UUID


@dataclass(frozen=True, kw_only=True)
class MarkAllRead(Command[int]):
    """Mark all that one has as read; returns how many were not."""

    by: Identity


@dataclass(frozen=True, kw_only=True)
class UpdateSettings(Command[DeliverySettings]):
    """Change how one wants to be told; what is not named stays. Returns the settings."""

    by: Identity
    changes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SendDue(Command[int]):
    """Let go out what has waited long enough; returns how many."""

    most: int = 100


@dataclass(frozen=True, kw_only=True)
class NotificationDue(Event):
    """A notification goes out now by these channels; whoever sends mail, pushes or texts listens for it."""

    aggregate_type: ClassVar[str] = "notification"
    aggregate_key: ClassVar[str] = "notification_id"

    notification_id: UUID
    user_id: UUID
    type: str
    title: str
    message: str
    channels: tuple[str, ...]
    is_urgent: bool


class RegisteredUser(msgspec.Struct, frozen=True):
    """A new user."""

    user_id: UUID
    username: str


class ApplicationFacts(msgspec.Struct, frozen=True):
    """An application and what became of it."""

    application_id: UUID
    request_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    title: str
    urgency_level: str = "medium"
    booking_id: UUID | None = None


class BookingFacts(msgspec.Struct, frozen=True):
    """A booking and what became of it."""

    booking_id: UUID
    request_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    starts_at: datetime
    title: str
    urgency_level: str = "medium"
    cancelled_by: UUID | None = None


class ReviewFacts(msgspec.Struct, frozen=True):
    """A review that was published."""

    review_id: UUID
    booking_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    rating: int
