"""The rules of the sync service.

What an event does to its entity, and what a consumer's word makes of a sync.
"""

from collections.abc import Mapping
from typing import Final, Literal

from subgraphs.kit.queue.confirmations import Outcome

Operation = Literal["create", "update", "delete"]
Status = Literal["pending", "processing", "completed", "failed", "retry"]

_CREATES: Final = ("Created", "Registered", "Published", "Submitted", "Added", "Taken")
_DELETES: Final = ("Deleted", "Removed", "Freed")
_STATUS: Final[Mapping[Outcome, Status]] = {
    "done": "completed",
    "gap": "completed",
    "stale": "completed",
    "retry": "retry",
    "failed": "failed",
}
REPLAYABLE: Final[tuple[Status, ...]] = ("failed", "processing")
"""What may be tried again: also what somebody ordered before, for the queue may have lost the order."""


def operation_of(event_type: str) -> Operation:
    """What happened to the entity, by the last word of the event's name.

    What is cancelled, rejected or withdrawn is still there with another status: an update.
    """
    if event_type.endswith(_CREATES):
        return "create"
    return "delete" if event_type.endswith(_DELETES) else "update"


def status_of(outcome: Outcome) -> Status:
    """Where a sync stands after its consumer said this."""
    return _STATUS[outcome]
