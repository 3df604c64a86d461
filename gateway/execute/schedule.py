"""The order in which fetches run, for both paths: each one as soon as all that it waits for is done.

Example: of the fetches 0, 1 (after 0) and 2 (after 0 and 1), `first` is (0,), `waits` (0, 1, 2) and
`dependents` ((1, 2), (2,), ()).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.plan.nodes import Fetch


@dataclass(frozen=True, slots=True)
class Schedule:
    """Fetches by their positions in a stage.

    Those that wait for nothing, how many each waits for, and which wait for it.
    """

    first: tuple[int, ...]
    waits: tuple[int, ...]
    dependents: tuple[tuple[int, ...], ...]


def schedule_of(stage: Sequence[Fetch]) -> Schedule:
    """The schedule of the fetches of one stage."""
    return Schedule(
        first=tuple(index for index, fetch in enumerate(stage) if not fetch.after),
        waits=tuple(len(fetch.after) for fetch in stage),
        dependents=tuple(
            tuple(index for index, other in enumerate(stage) if fetch.id in other.after) for fetch in stage
        ),
    )


class Progress:
    """How far a run of a stage is. `left`: fetches that are not done."""

    __slots__ = ("left", "schedule", "waits")

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.waits = list(schedule.waits)
        self.left = len(self.waits)

    def ended(self, index: int) -> list[int]:
        """Note that a fetch is done; returns those that waited for it last."""
        self.left -= 1
        waits = self.waits
        ready = []
        for other in self.schedule.dependents[index]:
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
        return ready
