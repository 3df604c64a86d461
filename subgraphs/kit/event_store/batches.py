"""Projections that take many events at once.

A rebuild is then as fast as statements over sets, not as many small ones.

An event handled alone costs a round trip or more; five hundred of them in one statement cost little more than
one.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.event_store.projection import Handler, Projection
from subgraphs.kit.unit_of_work import UnitOfWork

BatchHandler = Callable[[UnitOfWork, Sequence[StoredEvent], int], Awaitable[None]]
"""Applies events, which are in the global order, to the tables of a generation."""


@dataclass(frozen=True, slots=True)
class ProjectionStep:
    """One handler for all events of some types. A type may be in several steps."""

    types: frozenset[str]
    apply: BatchHandler


class BatchProjection(Projection):
    """A projection by steps, each of which gets its events of a whole batch.

    Steps are taken one after the other, so events of different steps must lead to the same tables in either
    order.
    """

    @property
    @abstractmethod
    def steps(self) -> Sequence[ProjectionStep]:
        """What is done with a batch."""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The steps, for single events."""
        return dict.fromkeys((name for step in self.steps for name in step.types), self._alone)

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """Take each step with the events that are its; answer how many events there were for any."""
        steps = self.steps
        known = frozenset[str]().union(*(step.types for step in steps))
        wanted = [self.upcasters.upcast(event) for event in events if event.event_type in known]
        for step in steps:
            if own := [event for event in wanted if event.event_type in step.types]:
                await step.apply(uow, own, generation)
        return len(wanted)

    async def _alone(self, uow: UnitOfWork, event: StoredEvent, generation: int) -> None:
        await self.apply(uow, [event], generation)
