"""The queue's server away until 1,000 events wait, and killed with all its data.

Everything arrives, once, in order per aggregate.
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
from tests.subgraphs.kit.queue.street import BellRang, Street, hear, started, street_of, until

pytestmark = pytest.mark.system
BELLS = [uuid4() for _ in range(50)]


@asynccontextmanager
async def serving(folder: Path, *, durable: bool) -> AsyncIterator[ValkeyServer]:
    """A Valkey of this test's own."""
    server = start_valkey(folder, durable=durable)
    try:
        yield server
    finally:
        server.stop()


async def ring_all(street: Street, rounds: range) -> None:
    """Every bell rings once a round, each an event of its own version; half of the bells have none."""
    for number in rounds:
        async with UnitOfWork(street.tower) as uow:
            for place, bell in enumerate(BELLS):
                uow.emit(BellRang(bell_id=bell, times=number), (number + 1) * (place % 2))


async def by_bell(street: Street) -> dict[UUID, list[int]]:
    """What was heard of each bell, in its order."""
    found: dict[UUID, list[int]] = {bell: [] for bell in BELLS}
    for row in await street.ear.fetch_all(text("SELECT bell, times FROM heard ORDER BY id")):
        found[row.bell].append(row.times)
    return found


async def all_in_order(street: Street, rounds: int) -> None:
    """Wait until all is delivered; each bell was heard once a round, in order."""
    await until(lambda: street.count("heard", "ear"), rounds * len(BELLS), seconds=30)
    await until(street.undelivered, 0, seconds=30)
    assert await by_bell(street) == {bell: list(range(rounds)) for bell in BELLS}
    assert await street.failures() == []


@pytest.mark.parametrize("durable", [True, False])
async def test_a_thousand_events_wait_for_the_queue(postgres_url: str, tmp_path: Path, durable: bool) -> None:
    """The server is stopped; 1,000 events wait in the outbox.

    When it is back, with its data or without, all arrive in order.
    """
    async with (
        serving(tmp_path / "valkey", durable=durable) as server,
        street_of(postgres_url, server.url) as street,
        started(street.relay(), street.inbox(), street.inbox()),
    ):
        await ring_all(street, range(2))
        await until(lambda: street.count("heard", "ear"), 2 * len(BELLS))
        server.stop()
        await ring_all(street, range(2, 23))
        assert await street.waiting() >= 1000
        assert await street.count("heard", "ear") == 2 * len(BELLS)
        async with serving(tmp_path / "valkey", durable=durable):
            await all_in_order(street, 23)


async def test_the_queue_is_killed_and_wiped(postgres_url: str, tmp_path: Path) -> None:
    """kill -9 in the midst of it, and not a byte is left.

    Some events were handled, some were in the queue, some not yet.
    """

    async def slowly(uow: UnitOfWork, envelope: Envelope) -> None:
        await asyncio.sleep(0.001)
        await hear(uow, envelope)

    async with (
        serving(tmp_path / "valkey", durable=False) as server,
        street_of(postgres_url, server.url) as street,
        started(
            street.relay(),
            street.relay(),
            street.inbox({"BellRang": slowly}),
            street.inbox({"BellRang": slowly}),
        ),
    ):
        await ring_all(street, range(40))
        for _ in range(1000):
            if await street.count("heard", "ear") > 200:
                break
            await asyncio.sleep(0.005)
        server.process.kill()
        server.process.wait()
        await ring_all(street, range(40, 45))
        handled, published = await street.count("heard", "ear"), 45 * len(BELLS) - await street.waiting()
        assert 200 < handled < published < 45 * len(BELLS)
        async with serving(tmp_path / "valkey", durable=False) as empty:
            assert empty.process.pid != server.process.pid
            await all_in_order(street, 45)


async def test_published_and_not_read_when_it_is_wiped(postgres_url: str, tmp_path: Path) -> None:
    """Events that the queue had and nobody had read are lost with it, and published again, before what is
    newer.
    """
    async with (
        serving(tmp_path / "valkey", durable=False) as server,
        street_of(postgres_url, server.url) as street,
        started(street.relay()),
    ):
        async with started(street.inbox()):
            await ring_all(street, range(3))
            await all_in_order(street, 3)
        await ring_all(street, range(3, 25))
        await until(street.waiting, 0)
        server.process.kill()
        server.process.wait()
        await ring_all(street, range(25, 30))
        async with serving(tmp_path / "valkey", durable=False), started(street.inbox()):
            await all_in_order(street, 30)
