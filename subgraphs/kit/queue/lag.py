"""How long events have waited for a consumer, in the queue or put aside after a failure."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from subgraphs.kit.database import Session
from subgraphs.kit.queue import cursors
from subgraphs.kit.queue.streams import streams_of

_ASIDE = text(
    """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 FROM inbox_failures
WHERE consumer = :consumer AND status IN ('retry', 'waiting')
"""
)


async def seconds_waiting(session: Session, redis: Redis, consumer: str, sources: Sequence[str]) -> float:
    """Seconds for which the oldest event has waited that a consumer has not handled; 0.0 where none does.

    Raises what the connections raise: then nobody knows. A stream that is not there yet has nothing waiting.
    """
    places = await cursors.load_positions(
        session, consumer, [stream for source in sources for stream in streams_of(source)]
    )
    aside = float(await session.fetch_value(_ASIDE, consumer=consumer))
    seconds, micros = await redis.time()
    async with redis.pipeline(transaction=False) as pipeline:
        for stream, place in places.items():
            pipeline.xrange(stream, min="-" if place == cursors.START else f"({place}", count=1)
        found: Any = await pipeline.execute()
    times = [int(entries[0][0].split(b"-")[0]) / 1000 for entries in found if entries]
    queued = seconds + micros / 1e6 - min(times) if times else 0.0
    return max(0.0, aside, queued)
