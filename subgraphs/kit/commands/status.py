"""The GraphQL type of a command's status, the argument `commandId`, and the query by which a caller checks
whether a command was executed. All services with commands use it.
"""

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
        description="A UUID of your choice. Send the command again with the same id if you got no answer: "
        "it is executed once."
    ),
]
_FIND = text(
    """
SELECT own.*, processing_time_ms, completed_at
FROM pending_commands AS own LEFT JOIN processed_commands USING (command_id)
WHERE command_id = :command_id
"""
)


def command_id_of(value: str | None) -> UUID | None:
    """Parse the argument `commandId`; None if the caller sent none. Raises BadUserInput if it is no UUID."""
    return None if value is None else checks.identifier(value, "commandId")


@object_type(shareable=True)
class CommandStatus:
    """The status of a command."""

    id: strawberry.ID = strawberry.field(description="The id of the command.")
    type: str = strawberry.field(description="The type of the command.")
    status: str = strawberry.field(description="pending, processing, completed or failed.")
    aggregate_id: strawberry.ID | None = strawberry.field(
        description="The id of the object that the command changes or has created."
    )
    error_code: str | None = strawberry.field(description="The code of the error, if the command failed.")
    error_message: str | None = strawberry.field(
        description="The message of the error, if the command failed."
    )
    created_at: datetime = strawberry.field(description="When the service received the command.")
    completed_at: datetime | None = strawberry.field(description="When the command was completed.")
    processing_time_ms: float | None = strawberry.field(
        description="The duration of its execution in milliseconds."
    )


async def status_of(session: Session, by: Identity, command_id: str) -> CommandStatus:
    """Return the status of a command, if `by` has sent it or is an admin; otherwise raise NotFound."""
    row = await session.fetch_one(_FIND, command_id=checks.identifier(command_id, "id"))
    if row is None or not (by.is_admin or row.issued_by == str(by.user_id)):
        raise NotFound(f"You have sent no command with the id {command_id}")
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
