"""What has become of a command, for whoever sent it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from sqlalchemy import text

from subgraphs.kit import checks
from subgraphs.kit.database import Session
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import object_type
from subgraphs.kit.identity import Identity

CommandId = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="A UUID of your choice: the same command sent again under it, after a lost answer, is done once."
    ),
]
_FIND = text(
    """
SELECT own.*, processing_time_ms, completed_at FROM pending_commands AS own LEFT JOIN processed_commands USING (command_id)
WHERE command_id = :command_id
"""
)


def command_id_of(value: str | None) -> UUID | None:
    """The id that a caller gave its command. Raises BadUserInput."""
    return None if value is None else checks.identifier(value, "commandId")


@object_type(shareable=True)
class CommandStatus:
    """How far a command is."""

    id: strawberry.ID = strawberry.field(description="The id of the command.")
    type: str = strawberry.field(description="What was asked for.")
    status: str = strawberry.field(description="pending, processing, completed or failed.")
    aggregate_id: strawberry.ID | None = strawberry.field(description="What it is about.")
    error_code: str | None = strawberry.field(description="Why it failed.")
    error_message: str | None = strawberry.field(description="Why it failed, in words.")
    created_at: datetime = strawberry.field(description="When it was accepted.")
    completed_at: datetime | None = strawberry.field(description="When it was completed.")
    processing_time_ms: float | None = strawberry.field(description="How long that took, in milliseconds.")


async def status_of(session: Session, by: Identity, command_id: str) -> CommandStatus:
    """The command with this id, for whoever sent it and for admins. Raises NotFound."""
    row = await session.fetch_one(_FIND, command_id=checks.identifier(command_id, "id"))
    if row is None or not (by.is_admin or row.issued_by == str(by.user_id)):
        raise NotFound("You have sent no such command")
    return CommandStatus(
        id=strawberry.ID(str(row.command_id)),
        type=row.command_type,
        status=row.status,
        aggregate_id=strawberry.ID(str(row.aggregate_id)) if row.aggregate_id else None,
        error_code=row.error_code,
        error_message=row.error_message,
        created_at=row.created_at,
        completed_at=row.completed_at,
        processing_time_ms=row.processing_time_ms,
    )
