"""The rules of the sync service, without I/O: an event's operation, and a sync's status by its
confirmation.
"""

from collections.abc import Mapping
from typing import Final, Literal

from subgraphs.kit.queue.confirmations import Outcome

Operation = Literal["create", "update", "delete"]
Status = Literal["pending", "processing", "completed", "failed", "retry"]

_CREATES: Final = ("Created", "Registered", "Published", "Submitted", "Added", "Taken", "Received", "Sent")
_DELETES: Final = ("Deleted", "Removed", "Freed")
_STATUS: Final[Mapping[Outcome, Status]] = {
    "done": "completed",
    "gap": "completed",
    "stale": "completed",
    "retry": "retry",
    "failed": "failed",
}
REPLAYABLE: Final[tuple[Status, ...]] = ("failed", "processing")
"""The statuses that allow a replay.

"processing" (a replay was requested) is among them, because the queue may have lost the request.
"""


def operation_of(event_type: str) -> Operation:
    """Return an event's operation on its entity, by the end of its type: "create" for "UserRegistered".

    An entity that is cancelled, rejected or withdrawn still exists, so the operation is "update".
    """
    if event_type.endswith(_CREATES):
        return "create"
    return "delete" if event_type.endswith(_DELETES) else "update"


def status_of(outcome: Outcome) -> Status:
    """Return the status that a confirmation with this outcome gives a sync."""
    return _STATUS[outcome]
