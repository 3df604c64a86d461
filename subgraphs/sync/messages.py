"""What the sync service is asked to do."""

from dataclasses import dataclass
from uuid import UUID

from subgraphs.kit.messages import Command


@dataclass(frozen=True)
class ReplaySync(Command[UUID]):
    """Have a failed event tried again at its target."""

    id: UUID
    reason: str
    by: UUID
