"""Measures how many events per second eight writers append to the event store (`subgraphs/kit/event_store`).

Each append is one event with a check of the expected version, in a transaction that is durable on disk.
"""

import asyncio
import time
from uuid import uuid4

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.append import append
from subgraphs.kit.event_store.events import AppendContext, NewEvent, Stream
from subgraphs.kit.unit_of_work import UnitOfWork

WRITERS = 8
EACH = 250


async def appends_per_second(url: str) -> float:
    """Return the appends per second to the event store in the database `url`; each writer has its
    own stream.
    """
    database = Database(url)
    context = AppendContext(created_by="bench", correlation_id=uuid4())

    async def write(count: int) -> None:
        stream = Stream("bench", uuid4())
        for version in range(count):
            async with UnitOfWork(database) as uow:
                await append(
                    uow, stream, version, [NewEvent(event_type="Happened", data={"n": version})], context
                )

    await asyncio.gather(*(write(20) for _ in range(WRITERS)))
    begun = time.perf_counter()
    await asyncio.gather(*(write(EACH) for _ in range(WRITERS)))
    seconds = time.perf_counter() - begun
    await database.close()
    return WRITERS * EACH / seconds
