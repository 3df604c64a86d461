"""The rules of the sync service: the operation of an event, and the status that a confirmation leads to."""

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
"""The statuses that allow a replay; "processing" is one of them, because the queue may have lost the
order.
"""


def operation_of(event_type: str) -> Operation:
    """Return the event's operation on its entity, by the end of the event's name.

    An entity that is cancelled, rejected or withdrawn still exists: an update.
    """
    if event_type.endswith(_CREATES):
        return "create"
    return "delete" if event_type.endswith(_DELETES) else "update"


def status_of(outcome: Outcome) -> Status:
    """Return the status of a sync after a confirmation with this outcome."""
    return _STATUS[outcome]
