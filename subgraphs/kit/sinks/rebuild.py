"""Rebuilds a sink's target: fills a new generation while the old one serves readers.

A rebuild is needed if the target has lost data, or after a change of the documents' shape.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from subgraphs.kit.messages import Envelope
from subgraphs.kit.rebuilds import exclusive
from subgraphs.kit.sinks import generations
from subgraphs.kit.sinks.consumer import SinkConsumer
from subgraphs.kit.unit_of_work import UnitOfWork


class Originals(Protocol):
    """A source of all objects of which the sink has documents."""

    def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """Yield events with the present facts of the objects.

        An implementation reads the objects after this call, not before, so that their facts include the
        effects of every event that was published before the call.
        """
        ...


async def rebuild(
    consumer: SinkConsumer, originals: Originals, *, begun: Callable[[int], object] | None = None
) -> int:
    """Fill a new generation from `originals`, make it serve, and delete the old one; return its number.

    The consumer also writes every new event to the generation while it is filled; the target keeps the higher
    version of each document. If the rebuild is interrupted, the old generation continues to serve, and the
    next rebuild starts from the beginning. `begun` is called with the new generation's number when it exists.
    Raises RebuildRunning if another process rebuilds this sink, TargetUnavailable, and the errors of
    `originals`.
    """
    sink = consumer.sink
    async with exclusive(consumer.database, f"sink {sink.name}"):
        async with UnitOfWork(consumer.database) as uow:
            generation = await generations.begin(uow, sink.name, sink.target)
        if begun is not None:
            begun(generation)
        async for envelopes in originals.batches():
            async with UnitOfWork(consumer.database) as uow:
                writes = [write for envelope in envelopes for write in await sink.writes(uow, envelope)]
                await sink.target.write(generation, writes)
        async with UnitOfWork(consumer.database) as uow:
            await generations.replace(uow, sink.name, generation)
        await consumer.settle()
    return generation
