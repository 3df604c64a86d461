"""Projections that apply a batch of events with a few SQL statements, instead of a few statements per event.

An event that is applied alone costs a round trip or more; five hundred events in one statement cost little
more than one event. Rebuilds would be too slow without batches. The projections of the read side are
BatchProjections.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.event_store.projection import Handler, Projection
from subgraphs.kit.unit_of_work import UnitOfWork

BatchHandler = Callable[[UnitOfWork, Sequence[StoredEvent], int], Awaitable[None]]
"""Applies events, in the global order, to the tables of the generation with the given number."""


@dataclass(frozen=True, slots=True)
class ProjectionStep:
    """A handler for batches, with the event types that it receives. Several steps may have the same type."""

    types: frozenset[str]
    apply: BatchHandler


class BatchProjection(Projection):
    """A projection in steps; each step is called once per batch, with the batch's events of the step's types.

    A step runs after the previous step has applied the whole batch. So the result must not depend on the
    order of two events that are applied by different steps.
    """

    @property
    @abstractmethod
    def steps(self) -> Sequence[ProjectionStep]:
        """The steps of the projection, in the order in which they run."""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by event type; each applies its event as a batch of one."""
        return dict.fromkeys((name for step in self.steps for name in step.types), self._apply_one)

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """Run each step with the events of its types; return how many events had a type of a step."""
        steps = self.steps
        known = frozenset[str]().union(*(step.types for step in steps))
        wanted = [self.upcasters.upcast(event) for event in events if event.event_type in known]
        for step in steps:
            if own := [event for event in wanted if event.event_type in step.types]:
                await step.apply(uow, own, generation)
        return len(wanted)

    async def _apply_one(self, uow: UnitOfWork, event: StoredEvent, generation: int) -> None:
        await self.apply(uow, [event], generation)
