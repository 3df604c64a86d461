"""The rules of the read side: how far behind is too far, and what latencies come to."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TOO_FAR_BEHIND: Final = 5.0  # seconds
"""What a query is answered from may be that old; otherwise the command side is asked."""

KEPT_LATENCIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a read model may answer, how far it is behind if that is known, and why it may not."""

    trusted: bool
    seconds: float | None
    reason: str | None = None


def judge(seconds: float, queue_seconds: float, revisions_agree: bool, threshold: float) -> Verdict:
    """The verdict on a read model whose tables can be read.

    `seconds`: since the oldest event of the local log that it lacks; `queue_seconds`: since the oldest event
    that the queue still holds, or since the queue was last heard.
    """
    behind = max(seconds, queue_seconds)
    if not revisions_agree:
        return Verdict(False, behind, "its tables are of another revision and wait for their rebuild")
    if seconds > threshold:
        return Verdict(False, behind, f"it is {seconds:.1f} s behind the log of events")
    if queue_seconds > threshold:
        return Verdict(
            False, behind, f"events have waited in the queue, or it was not heard, for {queue_seconds:.1f} s"
        )
    return Verdict(True, behind)


class Latencies:
    """The newest latencies, from an event's occurring to its effect being visible, in milliseconds."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=KEPT_LATENCIES)

    def add(self, milliseconds: float) -> None:
        """Keep one more; clocks of different machines may make it less than nothing, which counts as
        nothing.
        """
        self._kept.append(max(0.0, milliseconds))

    def __len__(self) -> int:
        return len(self._kept)

    def percentiles(self, wanted: Sequence[float]) -> list[float | None]:
        """The latencies that so many percent do not exceed (nearest rank); None without any."""
        ordered = sorted(self._kept)
        if not ordered:
            return [None for _ in wanted]
        return [ordered[max(0, -(-int(percent * len(ordered)) // 100) - 1)] for percent in wanted]
