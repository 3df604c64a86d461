"""The GraphQL types of deliveries and their attempts, for admins."""

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry

from subgraphs.kit.graphql import enum_type, for_role, object_type
from subgraphs.notifications import delivery_store
from subgraphs.notifications.delivery_store import AttemptRecord, DeliveryRecord
from subgraphs.notifications.types import Info, User


@enum_type
class DeliveryStatus(enum.Enum):
    """The state of a message that is sent by one channel."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"


@object_type()
class DeliveryAttempt:
    """One attempt to send a message."""

    number: int = strawberry.field(description="The number of the attempt, from 1.")
    started_at: datetime = strawberry.field(description="When the attempt started.")
    ended_at: datetime | None = strawberry.field(
        description="When it ended; null for one that runs, or was interrupted."
    )
    outcome: str | None = strawberry.field(
        description="sent, skipped, refused, temporary, unreachable; null without an end."
    )
    error: str | None = strawberry.field(description="The answer of the server, or the error.")


@object_type()
class Delivery:
    """A message that is sent by one channel: a notification, or e-mail about an account."""

    id: strawberry.ID = strawberry.field(
        description="The id of the delivery, which is also in the Message-ID or the Idempotency-Key."
    )
    channel: str = strawberry.field(description="The channel: email, push, sms.")
    kind: str = strawberry.field(description="The message: notification, confirm_email, reset_password.")
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
                outcome=one.outcome,
                error=one.error,
            )
            for one in found
        ]

    @classmethod
    def of(cls, record: DeliveryRecord) -> "Delivery":
        """Return the GraphQL object of a delivery."""
        return cls(
            id=strawberry.ID(str(record.id)),
            channel=record.channel,
            kind=record.kind,
            status=DeliveryStatus(record.status),
            title=record.title,
            error=record.error,
            next_attempt_at=record.next_attempt_at,
            expires_at=record.expires_at,
            created_at=record.created_at,
            ended_at=record.ended_at,
            user=User(id=strawberry.ID(str(record.user_id)), key=record.user_id),
            record=record,
        )


def conditions(status: DeliveryStatus | None) -> list[Any]:
    """Return the SQL conditions for a list of deliveries."""
    return [] if status is None else [delivery_store.deliveries.c.status == status.value]
