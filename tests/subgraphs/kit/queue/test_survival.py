"""Tests in which the queue's server is down while 1,000 events wait, or loses all its data: every event
arrives once, in order per aggregate.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.messages import Envelope
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.platform.valkey import ValkeyServer, start_valkey
from tests.subgraphs.kit.queue.service_pair import (
    ItemCounted,
    ServicePair,
    record,
    service_pair_of,
    started,
    until,
)

pytestmark = pytest.mark.system
ITEMS = [uuid4() for _ in range(50)]


@asynccontextmanager
async def serving(folder: Path, *, durable: bool) -> AsyncIterator[ValkeyServer]:
    """A Valkey for this test alone."""
    server = start_valkey(folder, durable=durable)
    try:
        yield server
    finally:
        server.stop()


async def publish_all(pair: ServicePair, rounds: range) -> None:
    """In each round publish an event of every item; half of the items have versions."""
    for number in rounds:
        async with UnitOfWork(pair.publisher) as uow:
            for place, item in enumerate(ITEMS):
                uow.emit(ItemCounted(item_id=item, times=number), (number + 1) * (place % 2))


async def by_item(pair: ServicePair) -> dict[UUID, list[int]]:
    """Return the received numbers by item, in the order of receipt."""
    found: dict[UUID, list[int]] = {item: [] for item in ITEMS}
    for row in await pair.consumer.fetch_all(text("SELECT item, times FROM received ORDER BY id")):
        found[row.item].append(row.times)
    return found


async def all_in_order(pair: ServicePair, rounds: int) -> None:
    """Wait until all events are delivered; each item was received once a round, in order."""
    await until(lambda: pair.count("received", "consumer"), rounds * len(ITEMS), seconds=30)
    await until(pair.undelivered, 0, seconds=30)
    assert await by_item(pair) == {item: list(range(rounds)) for item in ITEMS}
    assert await pair.failures() == []


@pytest.mark.parametrize("durable", [True, False])
async def test_a_thousand_events_wait_for_the_queue(postgres_url: str, tmp_path: Path, durable: bool) -> None:
    """1,000 events wait in the outbox while the server is down; they arrive in order when it is back, with or
    without its data.
    """
    async with (
        serving(tmp_path / "valkey", durable=durable) as server,
        service_pair_of(postgres_url, server.url) as pair,
        started(pair.relay(), pair.inbox(), pair.inbox()),
    ):
        await publish_all(pair, range(2))
        await until(lambda: pair.count("received", "consumer"), 2 * len(ITEMS))
        server.stop()
        await publish_all(pair, range(2, 23))
        assert await pair.waiting() >= 1000
        assert await pair.count("received", "consumer") == 2 * len(ITEMS)
        async with serving(tmp_path / "valkey", durable=durable):
            await all_in_order(pair, 23)


async def test_the_queue_is_killed_and_wiped(postgres_url: str, tmp_path: Path) -> None:
    """The server is killed and loses all data while some events are applied, some are in the queue, and some
    are unpublished.
    """

    async def slowly(uow: UnitOfWork, envelope: Envelope) -> None:
        await asyncio.sleep(0.001)
        await record(uow, envelope)

    async with (
        serving(tmp_path / "valkey", durable=False) as server,
        service_pair_of(postgres_url, server.url) as pair,
        started(
            pair.relay(),
            pair.relay(),
            pair.inbox({"ItemCounted": slowly}),
            pair.inbox({"ItemCounted": slowly}),
        ),
    ):
        await publish_all(pair, range(40))
        for _ in range(1000):
            if await pair.count("received", "consumer") > 200:
                break
            await asyncio.sleep(0.005)
        server.process.kill()
        server.process.wait()
        await publish_all(pair, range(40, 45))
        handled, published = await pair.count("received", "consumer"), 45 * len(ITEMS) - await pair.waiting()
        assert 200 < handled < published < 45 * len(ITEMS)
        async with serving(tmp_path / "valkey", durable=False) as empty:
            assert empty.process.pid != server.process.pid
            await all_in_order(pair, 45)


async def test_published_and_not_read_when_it_is_wiped(postgres_url: str, tmp_path: Path) -> None:
    """Events that were published and not read are lost with the server's data, and published again before
    newer ones.
    """
    async with (
        serving(tmp_path / "valkey", durable=False) as server,
        service_pair_of(postgres_url, server.url) as pair,
        started(pair.relay()),
    ):
        async with started(pair.inbox()):
            await publish_all(pair, range(3))
            await all_in_order(pair, 3)
        await publish_all(pair, range(3, 25))
        await until(pair.waiting, 0)
        server.process.kill()
        server.process.wait()
        await publish_all(pair, range(25, 30))
        async with serving(tmp_path / "valkey", durable=False), started(pair.inbox()):
            await all_in_order(pair, 30)
