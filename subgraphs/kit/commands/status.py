"""The GraphQL type of a command's status, and the query by which a caller checks whether a mutation was
executed. All services with a command log use it.
"""

from datetime import datetime
from enum import Enum

import strawberry
from sqlalchemy import text

from subgraphs.kit.database import Session
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import enum_type, enum_value, object_type
from subgraphs.kit.idempotency_keys import command_id_of
from subgraphs.kit.identity import Identity

_FIND = text(
    """
SELECT own.*, processing_time_ms, completed_at
FROM pending_commands AS own LEFT JOIN processed_commands USING (command_id)
WHERE command_id = :command_id
"""
)


@enum_type
class CommandState(Enum):
    """The state of a mutation that was sent with an idempotency key."""

    PENDING = enum_value("pending", "It was interrupted, and is executed soon.")
    PROCESSING = enum_value("processing", "It is being executed.")
    COMPLETED = enum_value("completed", "It was executed.")
    FAILED = enum_value("failed", "It had no effect.")


@object_type(shareable=True)
class CommandStatus:
    """The status of a mutation that was sent with an idempotency key."""

    type: str = strawberry.field(description="The name of the command, such as PublishRequest.")
    status: CommandState = strawberry.field(description="The state of its execution.")
    error_code: str | None = strawberry.field(description="The code of the error, if it failed.")
    error_message: str | None = strawberry.field(description="The message of the error, if it failed.")
    created_at: datetime = strawberry.field(description="When the service received it.")
    completed_at: datetime | None = strawberry.field(description="When its execution was completed.")
    processing_time_ms: float | None = strawberry.field(
        description="The duration of its execution in milliseconds."
    )


async def status_of(session: Session, by: Identity, key: str) -> CommandStatus:
    """Return the status of the mutation that `by` has sent with an idempotency key.

    Raises NotFound if there is none, and BadUserInput.
    """
    row = await session.fetch_one(_FIND, command_id=command_id_of(key, by))
    if row is None:
        raise NotFound("You have sent no mutation with this idempotency key to this service")
    return CommandStatus(
        type=row.command_type,
        status=CommandState(row.status),
        error_code=row.error_code,
        error_message=row.error_message,
        created_at=row.created_at,
        completed_at=row.completed_at,
        processing_time_ms=row.processing_time_ms,
    )
