"""What a sink is: the events that it reads, and the documents that follow from each of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from subgraphs.kit.messages import Envelope
from subgraphs.kit.sinks.target import SinkTarget, Write
from subgraphs.kit.unit_of_work import UnitOfWork

Translate = Callable[[UnitOfWork, Envelope], Awaitable[Sequence[Write]]]
"""The documents that follow from an event. It may be called again for the same event.

A document that needs facts of several aggregates is composed from tables of the service, which the function
changes in the unit of work that it gets; it changes nothing else.
"""


@dataclass(frozen=True, slots=True)
class Sink:
    """Events of `sources` become documents in `target`, by the function for their type."""

    name: str
    target: SinkTarget
    sources: tuple[str, ...]
    translations: Mapping[str, Translate]

    async def writes(self, uow: UnitOfWork, envelope: Envelope) -> Sequence[Write]:
        """The documents that follow from an event. Raises KeyError for a type that the sink does not read."""
        return await self.translations[envelope.event_type](uow, envelope)
