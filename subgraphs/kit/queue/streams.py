"""The queue: Valkey streams, and how an event is written on them.

A service tells its events on `events:<service>:<partition>`: all events of an aggregate are in one partition,
in order. Its consumers confirm on `confirmations:<service>`; what a person has a consumer try again comes to
it on `replays:<consumer>`.
"""

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from sqlalchemy import Row

from subgraphs.kit.messages import Envelope

PARTITIONS = 8
"""Never to be changed while events are on their way: those of one aggregate would stand in two streams."""
RETENTION_MS = 7 * 24 * 3600 * 1000
"""How long a stream keeps an entry.

What a consumer that is away for longer has missed is published again, behind what is newer.
"""
LONGEST_CONFIRMATIONS = 100_000


class Queue:
    """The connection to the queue's server, as a part of a service: the first to start, the last to stop.

    It waits for nothing for long; the loops that use it retry by themselves.
    """

    def __init__(self, url: str) -> None:
        self.redis = Redis.from_url(url, socket_connect_timeout=2, socket_timeout=10, protocol=2)

    async def start(self) -> None:
        """Nothing: a server that is down must not keep the service from starting."""

    async def stop(self) -> None:
        """Close every connection."""
        await self.redis.aclose()


def partition_of(aggregate_id: UUID) -> int:
    """The partition of an aggregate: the same in every process and at any time."""
    return zlib.crc32(aggregate_id.bytes) % PARTITIONS


def stream_of(service: str, partition: int) -> str:
    """The stream of one partition of a service's events."""
    return f"events:{service}:{partition}"


def streams_of(service: str) -> list[str]:
    """The streams of all partitions of a service's events, in their order."""
    return [stream_of(service, partition) for partition in range(PARTITIONS)]


def confirmations_of(source: str) -> str:
    """The stream on which consumers tell a service what became of its events."""
    return f"confirmations:{source}"


def replays_of(consumer: str) -> str:
    """The stream that tells a consumer which of its failed events a person wants to be tried again."""
    return f"replays:{consumer}"


def entry_of(row: Row[Any]) -> dict[Any, Any]:
    """The fields of a stream entry for one row of the outbox."""
    return {
        "event_id": str(row.event_id),
        "position": row.id,
        "event_type": row.event_type,
        "aggregate_type": row.aggregate_type,
        "aggregate_id": str(row.aggregate_id),
        "occurred_at": row.occurred_at.isoformat(),
        "payload": orjson.dumps(row.payload),
        "created_by": row.created_by,
        "correlation_id": row.correlation_id,
        "causation_id": str(row.causation_id or ""),
        "version": row.version,
    }


def envelope_of(source: str, fields: Mapping[bytes, bytes]) -> Envelope:
    """The event that a stream entry carries; raises `KeyError` or `ValueError` when it carries none."""
    return Envelope(
        event_id=UUID(fields[b"event_id"].decode()),
        source=source,
        position=int(fields[b"position"]),
        event_type=fields[b"event_type"].decode(),
        aggregate_type=fields[b"aggregate_type"].decode(),
        aggregate_id=UUID(fields[b"aggregate_id"].decode()),
        occurred_at=datetime.fromisoformat(fields[b"occurred_at"].decode()),
        payload=orjson.loads(fields[b"payload"]),
        created_by=fields.get(b"created_by", b"").decode(),
        correlation_id=fields.get(b"correlation_id", b"").decode(),
        causation_id=UUID(led.decode()) if (led := fields.get(b"causation_id")) else None,
        version=int(fields.get(b"version", b"0")),
    )


async def run_id(redis: Redis) -> str:
    """The name that the server made up at its start: another one means that it was restarted or replaced."""
    info: dict[str, Any] = await redis.info("server")
    return str(info["run_id"])


async def newest_id(redis: Redis, stream: str) -> tuple[int, int]:
    """The highest id that a stream has given to an entry; (0, 0) when there is no stream."""
    try:
        about: Any = await redis.xinfo_stream(stream)
    except ResponseError:
        return (0, 0)
    return numeric_id(about["last-generated-id"].decode())


def numeric_id(entry_id: str) -> tuple[int, int]:
    """An entry's id as numbers, which compare as the server compares ids."""
    high, _, low = entry_id.partition("-")
    return int(high), int(low or 0)
