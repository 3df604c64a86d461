"""The GraphQL types of deliveries and their attempts, for admins."""

import enum
from collections.abc import Sequence
from datetime import datetime

import strawberry
from sqlalchemy import ColumnElement

from subgraphs.kit import checks
from subgraphs.kit.graphql import enum_type, enum_value, for_role, input_type, object_type
from subgraphs.notifications import delivery_store
from subgraphs.notifications.delivery_store import AttemptRecord, DeliveryRecord
from subgraphs.notifications.types import DeliveryChannel, Info, User


@enum_type
class DeliveryStatus(enum.Enum):
    """The state of a message that is sent by one channel."""

    PENDING = enum_value("pending", "It is due, or waits for the next attempt.")
    SENT = enum_value("sent", "The server has accepted it.")
    FAILED = enum_value(
        "failed", "It was refused, failed too often, or has expired; `sendAgain` tries again."
    )
    SKIPPED = enum_value("skipped", "The user has no address for the channel, or no server is set for it.")


@enum_type
class DeliveryKind(enum.Enum):
    """What a message is."""

    NOTIFICATION = enum_value("notification", "A notification of the user.")
    CONFIRM_EMAIL = enum_value("confirm_email", "E-mail to confirm the address of the account.")
    RESET_PASSWORD = enum_value("reset_password", "E-mail to choose a new password.")


@enum_type
class DeliveryOutcome(enum.Enum):
    """How an attempt to send a message has ended."""

    SENT = enum_value("sent", "The server has accepted the message.")
    SKIPPED = enum_value("skipped", "There was no address, or nothing to send any more.")
    REFUSED = enum_value("refused", "The server has refused it, and would refuse another attempt, too.")
    TEMPORARY = enum_value("temporary", "The server has failed, or asked to try later.")
    UNREACHABLE = enum_value(
        "unreachable", "The server could not be reached; this does not count as failure."
    )


@object_type()
class DeliveryAttempt:
    """One attempt to send a message."""

    number: int = strawberry.field(description="The number of the attempt, from 1.")
    started_at: datetime = strawberry.field(description="When the attempt started.")
    ended_at: datetime | None = strawberry.field(
        description="When it ended; null for one that runs, or was interrupted."
    )
    outcome: DeliveryOutcome | None = strawberry.field(
        description="How it ended; null for one that runs, or was interrupted."
    )
    error: str | None = strawberry.field(description="The answer of the server, or the error.")


@object_type()
class Delivery:
    """A message that is sent by one channel: a notification, or e-mail about an account."""

    uuid: strawberry.ID
    channel: DeliveryChannel = strawberry.field(description="The way by which it is sent.")
    kind: DeliveryKind = strawberry.field(description="What the message is.")
    status: DeliveryStatus = strawberry.field(description="The state.")
    title: str = strawberry.field(description="The title of the notification.")
    error: str | None = strawberry.field(description="The error of the last attempt.")
    next_attempt_at: datetime = strawberry.field(description="When a pending message is sent next.")
    expires_at: datetime = strawberry.field(description="When a pending message becomes failed.")
    created_at: datetime = strawberry.field(description="When the message was due.")
    ended_at: datetime | None = strawberry.field(description="When it was sent, failed or skipped.")
    user: User | None = strawberry.field(description="The recipient.")
    record: strawberry.Private[DeliveryRecord]

    @for_role("admin", list_size=10)
    async def attempts(self, info: Info) -> list[DeliveryAttempt] | None:
        """The last 100 attempts, the newest first."""
        info.context.require_role("admin")
        found: Sequence[AttemptRecord] = await info.context.attempts.load(self.record.id) or []
        return [
            DeliveryAttempt(
                number=one.number,
                started_at=one.started_at,
                ended_at=one.ended_at,
                outcome=DeliveryOutcome(one.outcome) if one.outcome else None,
                error=one.error,
            )
            for one in found
        ]

    @classmethod
    def of(cls, record: DeliveryRecord) -> "Delivery":
        """Return the GraphQL object of a delivery."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            channel=DeliveryChannel(record.channel),
            kind=DeliveryKind(record.kind),
            status=DeliveryStatus(record.status),
            title=record.title,
            error=record.error,
            next_attempt_at=record.next_attempt_at,
            expires_at=record.expires_at,
            created_at=record.created_at,
            ended_at=record.ended_at,
            user=User(uuid=strawberry.ID(str(record.user_id)), key=record.user_id),
            record=record,
        )


@input_type
class DeliveryFilter:
    """Conditions on the listed messages, joined by AND; an empty list is no condition."""

    statuses: list[DeliveryStatus] | None = strawberry.field(
        default=None, description="Only messages with one of these states."
    )
    channels: list[DeliveryChannel] | None = strawberry.field(
        default=None, description="Only messages by one of these channels."
    )
    kinds: list[DeliveryKind] | None = strawberry.field(
        default=None, description="Only messages of one of these kinds."
    )
    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only messages to the user with this id."
    )

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions. Raises BadUserInput."""
        columns = delivery_store.deliveries.c
        chosen: list[tuple[ColumnElement[str], Sequence[enum.Enum] | None]] = [
            (columns.status, self.statuses),
            (columns.channel, self.channels),
            (columns.kind, self.kinds),
        ]
        found: list[ColumnElement[bool]] = [
            column.in_([one.value for one in values]) for column, values in chosen if values
        ]
        if self.user_id is not None:
            found.append(columns.user_id == checks.identifier(self.user_id, "userId", "User"))
        return found
