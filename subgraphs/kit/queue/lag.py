"""The lag of a consumer: how long events have waited in the queue, or in the table `inbox_failures`.

`sinks/consumer` returns it as the lag of a sink; the read side decides by it whether its data are fresh.
"""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from subgraphs.kit.database import Session
from subgraphs.kit.queue import cursors
from subgraphs.kit.queue.streams import streams_of

_OLDEST_FAILURE = text(
    """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 FROM inbox_failures
WHERE consumer = :consumer AND status IN ('retry', 'waiting')
"""
)


async def seconds_waiting(session: Session, redis: Redis, consumer: str, sources: Sequence[str]) -> float:
    """Return the age in seconds of the oldest event that a consumer has not applied; 0.0 if there is none.

    `sources` are the services whose events it consumes. Raises the errors of the connections to database and
    queue. A stream that does not exist counts as empty.
    """
    positions = await cursors.load_positions(
        session, consumer, [stream for source in sources for stream in streams_of(source)]
    )
    stored_failures = float(await session.fetch_value(_OLDEST_FAILURE, consumer=consumer))
    seconds, micros = await redis.time()
    async with redis.pipeline(transaction=False) as pipeline:
        for stream, position in positions.items():
            pipeline.xrange(stream, min="-" if position == cursors.START else f"({position}", count=1)
        found: Any = await pipeline.execute()
    times = [int(entries[0][0].split(b"-")[0]) / 1000 for entries in found if entries]
    queued = seconds + micros / 1e6 - min(times) if times else 0.0
    return max(0.0, stored_failures, queued)
