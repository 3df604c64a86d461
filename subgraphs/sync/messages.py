"""The commands of the sync service."""

from dataclasses import dataclass
from uuid import UUID

from subgraphs.kit.messages import Command


@dataclass(frozen=True)
class ReplaySync(Command[UUID]):
    """Have a failed event applied again by its consumer."""

    id: UUID
    reason: str
    by: UUID
