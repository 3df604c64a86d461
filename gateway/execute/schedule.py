"""The order in which fetches run, for both paths: each as soon as its predecessors have ended.

Example: for the fetches 0, 1 (after 0) and 2 (after 0 and 1), `first` is (0,), `waits` is (0, 1, 2) and
`dependents` is ((1, 2), (2,), ()).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.plan.nodes import Fetch


@dataclass(frozen=True, slots=True)
class Schedule:
    """The dependencies of fetches. Fetches are identified by their position in the stage.

    `first`: the fetches without predecessors. `waits`: for each fetch the number of its predecessors.
    `dependents`: for each fetch the fetches that wait for it.
    """

    first: tuple[int, ...]
    waits: tuple[int, ...]
    dependents: tuple[tuple[int, ...], ...]


def schedule_of(stage: Sequence[Fetch]) -> Schedule:
    """Return the schedule of the fetches of one stage."""
    return Schedule(
        first=tuple(index for index, fetch in enumerate(stage) if not fetch.after),
        waits=tuple(len(fetch.after) for fetch in stage),
        dependents=tuple(
            tuple(index for index, other in enumerate(stage) if fetch.id in other.after) for fetch in stage
        ),
    )


class Progress:
    """The progress of one run of a stage. `left`: the number of fetches that have not ended.

    `waits`: for each fetch the number of predecessors that have not ended.
    """

    __slots__ = ("left", "schedule", "waits")

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.waits = list(schedule.waits)
        self.left = len(self.waits)

    def ended(self, index: int) -> list[int]:
        """Record that a fetch has ended; return the fetches that can start now."""
        self.left -= 1
        waits = self.waits
        ready = []
        for other in self.schedule.dependents[index]:
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
        return ready
