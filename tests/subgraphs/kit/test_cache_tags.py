"""Tests of the table from events to the tags that they invalidate, and of the publisher."""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.cache.keys import subgraph_tag
from subgraphs.kit.cache_tags import STREAM, TOUCHED, object_tags, tags_of
from subgraphs.kit.invalidations import InvalidationPublisher
from subgraphs.kit.messages import Event
from subgraphs.platform.tables import SERVICES

KEY = "7f0e6c54-8a42-4f0b-8a37-1f6d2a4f9b11"


def event_types() -> Iterator[type[Event]]:
    """Every event type that services define."""
    for row in SERVICES:
        for name in ("messages", "mail_messages", "session_messages"):
            if importlib.util.find_spec(f"{row.module}.{name}") is not None:
                importlib.import_module(f"{row.module}.{name}")
    waiting = list(Event.__subclasses__())
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        if found.__module__.startswith("subgraphs.") and not found.__name__.startswith("_"):
            yield found


def test_every_event_is_in_the_table() -> None:
    """Each event type has a row, also one that touches nothing that is cached, and no row is left over."""
    assert {one.__name__ for one in event_types()} == set(TOUCHED)


def test_the_fields_in_the_table_are_fields_of_the_events() -> None:
    """Each `Type:field` names a field with an id in the event's payload."""
    known = {one.__name__: one for one in event_types()}
    for name, touched in TOUCHED.items():
        for item in touched:
            kind, _, field = item.partition(":")
            if field:
                assert kind[0].isupper()
                assert known[name].__dataclass_fields__[field].type in (UUID, "UUID"), item


def test_the_tags_of_an_event() -> None:
    """A review concerns the musician, the author, the booking and the lists of reviews; old events may lack
    a field.
    """
    found = tags_of("ReviewPublished", {"review_id": "r", "musician_id": KEY, "author_id": None})
    assert found == [
        *('entity:Review:{"uuid":"r"}', "tag:Review:r"),
        *(f'entity:Musician:{{"uuid":"{KEY}"}}', f"tag:Musician:{KEY}"),
        "tag:reviews",
    ]
    assert object_tags("Musician", UUID(KEY)) == tuple(found[2:4])
    assert tags_of("EscrowCreated", {"booking_id": KEY}) == tags_of("SomethingNew", {}) == []


@pytest.fixture
async def redis(queue_url: str) -> AsyncIterator[Redis]:
    """A connection to an empty database of Valkey."""
    client = Redis.from_url(queue_url)
    await client.flushdb()
    yield client
    await client.aclose()


async def published(redis: Redis, count: int) -> list[list[str]]:
    """Wait for messages in the stream of invalidations, and return their tags."""
    for _ in range(200):
        rows: Any = await redis.xrange(STREAM)
        if len(rows) >= count:
            return [msgspec.json.decode(fields[b"tags"]) for _, fields in rows]
        await asyncio.sleep(0.02)
    raise TimeoutError(rows)


async def test_the_publisher_survives_an_outage(redis: Redis, queue_url: str) -> None:
    """It begins with all of the service's replies; tags that wait for Redis are published later."""
    away = Redis.from_url("redis://127.0.0.1:1/0")
    publisher = InvalidationPublisher(away, "read_side")
    await publisher.start()
    publisher.publish(["tag:a"])
    await asyncio.sleep(0.1)
    publisher.publish(["tag:b", "tag:a"])
    publisher._redis = redis  # the server is back
    assert await published(redis, 1) == [[subgraph_tag("read_side"), "tag:a", "tag:b"]]
    publisher.publish(["tag:c"])
    assert (await published(redis, 2))[1] == ["tag:c"]
    await publisher.stop()
    await away.aclose()
