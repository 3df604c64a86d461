"""Commands and events of the notifications service, and the fields that it reads from other services' events.

`idempotency_key`: the caller's key, which the handlers claim in the transaction of the change
(`kit/mutation_keys`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Event
from subgraphs.notifications.chat_model import MessageRecord
from subgraphs.notifications.delivery_store import DeliveryRecord
from subgraphs.notifications.model import DeliverySettings, NotificationRecord


@dataclass(frozen=True, kw_only=True)
class MarkRead(Command[NotificationRecord]):
    """Mark a notification as read; returns its record."""

    by: Identity
    notification_id: UUID
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class MarkAllRead(Command[int]):
    """Mark all of a user's visible notifications as read; returns how many were unread."""

    by: Identity
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateSettings(Command[DeliverySettings]):
    """Change a user's settings; `changes`: the checked new values by name. Returns all settings."""

    by: Identity
    changes: Mapping[str, Any]
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class SendDue(Command[int]):
    """Send up to `most` notifications whose delivery time has come; returns how many there were."""

    most: int = 100


@dataclass(frozen=True, kw_only=True)
class SendAgain(Command[DeliveryRecord]):
    """Send a message that has failed or was skipped; returns its record."""

    by: Identity
    delivery_id: UUID
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class SendMessage(Command[MessageRecord]):
    """Write to the other party of a booking, as the caller; returns the message's record.

    `message_id`: the id for the message; the same key gives the same id.
    """

    by: Identity
    booking_id: UUID
    text: str
    message_id: UUID
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotificationDue(Event):
    """A notification is sent from now on by `channels` (email, push, sms); see `deliverer`."""

    aggregate_type: ClassVar[str] = "notification"
    aggregate_key: ClassVar[str] = "notification_id"

    notification_id: UUID
    user_id: UUID
    type: str
    title: str
    message: str
    channels: tuple[str, ...]
    is_urgent: bool


@dataclass(frozen=True, kw_only=True)
class NotificationReceived(Event):
    """A notification is in its user's list from now on."""

    aggregate_type: ClassVar[str] = "notification"
    aggregate_key: ClassVar[str] = "notification_id"

    notification_id: UUID
    user_id: UUID
    type: str


@dataclass(frozen=True, kw_only=True)
class MessageSent(Event):
    """A party of a booking has written to the other one, `recipient_id`.

    The text is not in the event, since others store events. The messages of a booking are one aggregate, so
    that their order is kept.
    """

    aggregate_type: ClassVar[str] = "chat"
    aggregate_key: ClassVar[str] = "booking_id"

    message_id: UUID
    booking_id: UUID
    author_id: UUID
    recipient_id: UUID


class RegisteredUser(msgspec.Struct, frozen=True):
    """The fields that this service reads from UserRegistered."""

    user_id: UUID
    username: str


class AccountMailFacts(msgspec.Struct, frozen=True):
    """The fields that this service reads from AccountMailRequested."""

    mail_id: UUID
    user_id: UUID | None
    kind: str
    expires_at: datetime


class ApplicationFacts(msgspec.Struct, frozen=True):
    """The fields that this service reads from events about applications."""

    application_id: UUID
    request_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    title: str
    urgency_level: str = "medium"


class MovedRequestFacts(msgspec.Struct, frozen=True):
    """The fields that this service reads from RequestMoved."""

    request_id: UUID
    musician_user_ids: tuple[UUID, ...]
    title: str
    urgency_level: str
    starts_at: datetime
    time_zone: str
    address: str
    city: str


class BookingId(msgspec.Struct, frozen=True):
    """What this service reads from events about bookings that are not confirmed any more."""

    booking_id: UUID


class BookingFacts(msgspec.Struct, frozen=True):
    """The fields that this service reads from events about bookings."""

    booking_id: UUID
    request_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    starts_at: datetime
    title: str
    time_zone: str = "UTC"


class BookingCopyFacts(msgspec.Struct, frozen=True):
    """The fields that this service stores from events about bookings."""

    booking_id: UUID
    request_id: UUID
    client_id: UUID
    musician_user_id: UUID
    title: str
    status: str


class ReviewFacts(msgspec.Struct, frozen=True):
    """The fields that this service reads from ReviewPublished."""

    review_id: UUID
    booking_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    rating: int
