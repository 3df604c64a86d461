"""The definition of a sink: which events it reads, and which documents it writes for each of them.

A service defines its sinks; `consumer` and `rebuild` run them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from subgraphs.kit.messages import Envelope
from subgraphs.kit.sinks.target import SinkTarget, Write
from subgraphs.kit.unit_of_work import UnitOfWork

Translate = Callable[[UnitOfWork, Envelope], Awaitable[Sequence[Write]]]
"""Returns the documents to write for an event. It may be called again for the same event.

If a document needs facts of several aggregates, the function stores them in tables of the service, in the
unit of work. It must have no other effects.
"""


@dataclass(frozen=True, slots=True)
class Sink:
    """Converts events of the services `sources` to documents in `target`, with one function per
    event type.
    """

    name: str
    target: SinkTarget
    sources: tuple[str, ...]
    translations: Mapping[str, Translate]

    async def writes(self, uow: UnitOfWork, envelope: Envelope) -> Sequence[Write]:
        """Return the documents to write for an event.

        Raises KeyError if the sink has no function for its type.
        """
        return await self.translations[envelope.event_type](uow, envelope)
