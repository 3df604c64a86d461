"""Rebuilding a sink's target: a new generation is filled while the old one serves."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from subgraphs.kit.messages import Envelope
from subgraphs.kit.rebuilds import exclusive
from subgraphs.kit.sinks import generations
from subgraphs.kit.sinks.consumer import SinkConsumer
from subgraphs.kit.unit_of_work import UnitOfWork


class Originals(Protocol):
    """A source of all objects that the sink has documents of."""

    def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """Yield the present objects as events.

        They have to be read after the call, so that they include every event that was published before it.
        """
        ...


async def rebuild(
    consumer: SinkConsumer, originals: Originals, *, begun: Callable[[int], object] | None = None
) -> int:
    """Fill a new generation with the originals, make it serve, and discard the old one; return its number.

    The consumer also writes every new event to the generation while it is filled; the higher version of a
    document stays. An interrupted rebuild leaves the old generation serving, and the next rebuild starts from
    the beginning. `begun` is called with the number when the generation exists. Raises RebuildRunning,
    TargetUnavailable, and the errors of the originals.
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
