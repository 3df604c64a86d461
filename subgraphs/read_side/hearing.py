"""How long an event has waited in the queue for this service: what the local log does not know of yet."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from subgraphs.kit.streams import streams_of


async def waiting(redis: Redis, consumer: str, sources: Sequence[str]) -> float:
    """Seconds for which the oldest event has waited that a consumer has not handled; 0.0 where none does.

    Raises what the connection raises: then nobody knows. A stream or group that is not there yet has nothing waiting.
    """
    streams = [stream for source in sources for stream in streams_of(source)]
    seconds, micros = await redis.time()
    async with redis.pipeline(transaction=False) as pipeline:
        for stream in streams:
            pipeline.xinfo_groups(stream)
        found = await pipeline.execute(raise_on_error=False)
    oldest = [
        await _oldest(redis, stream, consumer, group)
        for stream, groups in zip(streams, found, strict=True)
        if (group := _own(groups, consumer)) is not None
    ]
    times = [int(entry.split(b"-")[0]) / 1000 for entry in oldest if entry is not None]
    return max(0.0, seconds + micros / 1e6 - min(times)) if times else 0.0


def _own(groups: Any, consumer: str) -> dict[str, Any] | None:
    if isinstance(groups, ResponseError):
        return None
    if isinstance(groups, Exception):
        raise groups
    return next((group for group in groups if group["name"] == consumer.encode()), None)


async def _oldest(redis: Redis, stream: str, consumer: str, group: dict[str, Any]) -> bytes | None:
    """The id of the oldest entry that was not acknowledged, whether it was delivered or not."""
    found: list[bytes] = []
    if group["pending"]:
        summary: Any = await redis.xpending(stream, consumer)
        if summary["min"] is not None:
            found.append(summary["min"])
    if group.get("lag") != 0:
        last: bytes = group["last-delivered-id"]
        entries: Any = await redis.xrange(stream, min=b"(" + last, count=1)
        found.extend(entry_id for entry_id, _ in entries)
    return min(found, key=_place, default=None)


def _place(entry: bytes) -> tuple[int, int]:
    milliseconds, _, number = entry.partition(b"-")
    return int(milliseconds), int(number or 0)
