"""The rules of the read side, without I/O: when a read model is fresh, and percentiles of latencies."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_SECONDS_BEHIND: Final = 5.0  # seconds
"""A read model that is further behind does not answer queries; the command side does."""

MAX_LATENCIES: Final = 1_000
MUSICIAN_LISTS: Final = "musician-lists"
REQUEST_LISTS: Final = "request-lists"
"""The names (@cacheTag) by which lists are invalidated when their read model has changed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a read model is fresh (`trusted`), and the `reason` if it is not.

    `seconds`: how far it is behind; None if that could not be measured.
    """

    trusted: bool
    seconds: float | None
    reason: str | None = None


def judge(seconds: float, queue_seconds: float, revisions_agree: bool, threshold: float) -> Verdict:
    """Return the verdict on a read model whose tables can be read.

    `seconds`: the age of the oldest event in the local log that is not applied; `queue_seconds`: the age of
    the oldest event in the queue, or the time since the queue could be read last. `threshold`: the limit for
    both. `revisions_agree`: whether the tables were filled by code of the same revision as this process's.
    """
    behind = max(seconds, queue_seconds)
    if not revisions_agree:
        return Verdict(False, behind, "its tables have another revision and are not rebuilt yet")
    if seconds > threshold:
        return Verdict(False, behind, f"it is {seconds:.1f} s behind the log of events")
    if queue_seconds > threshold:
        return Verdict(
            False,
            behind,
            f"events have waited in the queue, or the queue could not be read, for {queue_seconds:.1f} s",
        )
    return Verdict(True, behind)


class Latencies:
    """The latencies of the newest events (at most MAX_LATENCIES), in milliseconds.

    An event's latency is the time from its occurrence until queries see its effect.
    """

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=MAX_LATENCIES)

    def add(self, milliseconds: float) -> None:
        """Add a latency; a negative one, which different clocks of two machines can cause, counts as 0."""
        self._kept.append(max(0.0, milliseconds))

    def __len__(self) -> int:
        return len(self._kept)

    def percentiles(self, wanted: Sequence[float]) -> list[float | None]:
        """Return the wanted percentiles (50: the median), by the nearest rank; without latencies each is
        None.
        """
        ordered = sorted(self._kept)
        if not ordered:
            return [None for _ in wanted]
        return [ordered[max(0, -(-int(percent * len(ordered)) // 100) - 1)] for percent in wanted]
