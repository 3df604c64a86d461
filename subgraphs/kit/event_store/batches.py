"""Projections that apply a whole batch of events with one statement per step.

An event that is applied alone costs a round trip or more; five hundred events in one statement cost little
more than one. Rebuilds depend on it.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.event_store.projection import Handler, Projection
from subgraphs.kit.unit_of_work import UnitOfWork

BatchHandler = Callable[[UnitOfWork, Sequence[StoredEvent], int], Awaitable[None]]
"""Applies events, in the global order, to the tables of a generation."""


@dataclass(frozen=True, slots=True)
class ProjectionStep:
    """The handler of some event types. A type may be in several steps."""

    types: frozenset[str]
    apply: BatchHandler


class BatchProjection(Projection):
    """A projection in steps; each step is called once per batch, with the events of its types.

    The steps run one after the other, so the result must not depend on the order of events of different
    steps.
    """

    @property
    @abstractmethod
    def steps(self) -> Sequence[ProjectionStep]:
        """The steps, in the order in which they run."""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """A handler by event type that applies one event as a batch."""
        return dict.fromkeys((name for step in self.steps for name in step.types), self._apply_one)

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """Run each step with the events of its types; return how many events had a step."""
        steps = self.steps
        known = frozenset[str]().union(*(step.types for step in steps))
        wanted = [self.upcasters.upcast(event) for event in events if event.event_type in known]
        for step in steps:
            if own := [event for event in wanted if event.event_type in step.types]:
                await step.apply(uow, own, generation)
        return len(wanted)

    async def _apply_one(self, uow: UnitOfWork, event: StoredEvent, generation: int) -> None:
        await self.apply(uow, [event], generation)
