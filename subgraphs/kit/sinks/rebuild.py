"""A new generation of a sink's target, filled from zero while the old one serves."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from subgraphs.kit.messages import Envelope
from subgraphs.kit.rebuilds import exclusive
from subgraphs.kit.sinks import generations
from subgraphs.kit.sinks.consumer import SinkConsumer
from subgraphs.kit.unit_of_work import UnitOfWork


class Originals(Protocol):
    """Where everything can be read once more that a sink has got by events."""

    def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """What owners tell now, as the events that would have told it.

        It has to be read after the call: it includes every event that was on the queue before.
        """
        ...


async def rebuild(
    consumer: SinkConsumer, originals: Originals, *, begun: Callable[[int], object] | None = None
) -> int:
    """Fill a new generation with the originals, have it serve, and discard the old one; answer its number.

    From its beginning on, the generation also gets every event that the consumer writes, and versions say
    what is newer. An attempt that is cut off leaves the old generation serving; the next one begins anew.
    `begun` is called with the number when the generation exists. Raises RebuildRunning, TargetAway, and what
    the originals raise.
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
