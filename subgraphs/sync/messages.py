"""The command of the sync service; it publishes no events."""

from dataclasses import dataclass
from uuid import UUID

from subgraphs.kit.messages import Command


@dataclass(frozen=True)
class ReplaySync(Command[UUID]):
    """Request the consumer of a sync to apply its failed event again; returns the sync's id.

    `by`: the id of the admin; `reason`: the admin's reason, which is logged.
    """

    id: UUID
    reason: str
    by: UUID
