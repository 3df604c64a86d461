"""The queue: names of Valkey streams, and how an event is encoded as an entry.

A service publishes its events on `events:<service>:<partition>`; all events of an aggregate are in one
partition, in order. Its consumers publish confirmations on `confirmations:<service>`. Requests to retry a
failed event are published on `replays:<consumer>`.
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
"""The number of partitions of each service's events.

It must not change while streams have entries: events of one aggregate would be in two streams, out of order.
"""
RETENTION_MS = 7 * 24 * 3600 * 1000
"""How long a stream retains an entry, in milliseconds.

If a consumer was down for longer, events that it has not confirmed are published again, after newer ones.
"""
MAX_CONFIRMATIONS = 100_000


class Queue:
    """The connection pool to the queue's server, as a part of a service that starts first and stops last.

    Its timeouts are short, because the relay and the inbox, which use it, retry.
    """

    def __init__(self, url: str) -> None:
        self.redis = Redis.from_url(url, socket_connect_timeout=2, socket_timeout=10, protocol=2)

    async def start(self) -> None:
        """Do nothing: a server that is down must not keep the service from starting."""

    async def stop(self) -> None:
        """Close every connection."""
        await self.redis.aclose()


def partition_of(aggregate_id: UUID) -> int:
    """Return the number of the partition (from 0) for an aggregate's events; it depends on the id alone."""
    return zlib.crc32(aggregate_id.bytes) % PARTITIONS


def stream_of(service: str, partition: int) -> str:
    """Return the name of the stream of one partition of a service's events."""
    return f"events:{service}:{partition}"


def streams_of(service: str) -> list[str]:
    """Return the names of the streams of a service's events, by partition."""
    return [stream_of(service, partition) for partition in range(PARTITIONS)]


def confirmations_of(source: str) -> str:
    """Return the name of the stream of subscriptions and confirmations for a service's events."""
    return f"confirmations:{source}"


def replays_of(consumer: str) -> str:
    """Return the name of the stream of requests to retry failed events of a consumer."""
    return f"replays:{consumer}"


def entry_of(row: Row[Any]) -> dict[Any, Any]:
    """Return the fields of the stream entry for a row of the outbox; `envelope_of` is the inverse.

    `attempts` is above 0 if the event is published again because a service has not confirmed it; readers that
    confirm nothing, such as the gateway's subscriptions, ignore such entries.
    """
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
        "attempts": row.attempts,
    }


def envelope_of(source: str, fields: Mapping[bytes, bytes]) -> Envelope:
    """Return the event in the fields of a stream entry of the service `source`.

    Raises KeyError for a missing field, ValueError for one that cannot be decoded.
    """
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
        causation_id=UUID(cause.decode()) if (cause := fields.get(b"causation_id")) else None,
        version=int(fields.get(b"version", b"0")),
    )


async def run_id(redis: Redis) -> str:
    """Return the server's run id, which changes when the server is restarted or replaced."""
    info: dict[str, Any] = await redis.info("server")
    return str(info["run_id"])


async def newest_id(redis: Redis, stream: str) -> tuple[int, int]:
    """Return the highest entry id that a stream ever had, as two numbers; (0, 0) if it does not exist."""
    try:
        info: Any = await redis.xinfo_stream(stream)
    except ResponseError:
        return (0, 0)
    return numeric_id(info["last-generated-id"].decode())


def numeric_id(entry_id: str) -> tuple[int, int]:
    """Return an entry id as two numbers, which sort as the ids do: (1700000000000, 4) for
    "1700000000000-4".
    """
    high, _, low = entry_id.partition("-")
    return int(high), int(low or 0)
