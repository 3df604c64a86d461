"""Tests of the global order: concurrent writers make no reader lose an event, read it twice, or in another
order.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.append import append, version_of
from subgraphs.kit.event_store.archive import archive
from subgraphs.kit.event_store.events import (
    ANY,
    NO_STREAM,
    START,
    AppendContext,
    NewEvent,
    StoredEvent,
    Stream,
    VersionConflict,
)
from subgraphs.kit.event_store.feed import read_after
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork

CONTEXT = AppendContext(created_by="writer", correlation_id=UUID(int=1))
# What makes a transaction get its number, as writing to any other table does.
BEGIN = text("SELECT pg_current_xact_id()")


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A database with the kit's tables and no events."""
    async with fresh_database(postgres_url, "order") as url:
        database = Database(url)
        await database.migrate(Path(__file__).parent / "no_migrations")
        yield database
        await database.close()


def counted(number: int = 0) -> NewEvent:
    """Return an event with a number."""
    return NewEvent(event_type="Counted", data={"number": number})


def new_stream() -> Stream:
    """Return a stream without events."""
    return Stream("counter", uuid4())


async def add(database: Database, stream: Stream, count: int = 1) -> None:
    """Append events in a transaction of their own."""
    async with UnitOfWork(database) as uow:
        await append(uow, stream, ANY, [counted() for _ in range(count)], CONTEXT)


async def everything(database: Database, limit: int = 500) -> list[StoredEvent]:
    """Read all events that `feed` returns, at most `limit` at a time."""
    found: list[StoredEvent] = []
    while part := await read_after(database, found[-1].cursor if found else START, limit):
        found.extend(part)
    return found


async def test_a_reader_waits_for_an_open_transaction(database: Database) -> None:
    """An event that commits while an older transaction is open is read after that transaction has ended,
    once, and in the order of a later reader.
    """
    early, slow, late = new_stream(), new_stream(), new_stream()
    await add(database, early)
    seen = await everything(database)
    assert [event.stream for event in seen] == [early]
    async with UnitOfWork(database) as uow:
        await append(uow, slow, NO_STREAM, [counted(), counted()], CONTEXT)
        for _ in range(3):
            await add(database, late)
        assert await read_after(database, seen[-1].cursor) == []
        assert await version_of(database, late) == 3
    for _ in range(3):
        seen.extend(await read_after(database, seen[-1].cursor, 2))
    assert [(event.stream, event.version) for event in seen] == [
        (early, 1),
        *((slow, version) for version in (1, 2)),
        *((late, version) for version in (1, 2, 3)),
    ]
    assert await read_after(database, seen[-1].cursor) == []
    assert await everything(database, 1) == seen


async def test_a_reader_does_not_wait_for_what_was_given_up(database: Database) -> None:
    """A writer whose transaction was rolled back does not delay readers."""
    with pytest.raises(ZeroDivisionError):
        async with UnitOfWork(database) as uow:
            await append(uow, new_stream(), NO_STREAM, [counted()], CONTEXT)
            raise ZeroDivisionError
    await add(database, new_stream())
    assert len(await everything(database)) == 1


async def test_versions_are_in_order(database: Database) -> None:
    """A transaction that began first and appended last is read after the version before."""
    stream = new_stream()
    async with UnitOfWork(database) as uow:
        await uow.fetch_value(BEGIN)
        for _ in range(2):
            await add(database, stream)
        await append(uow, stream, 2, [counted()], CONTEXT)
        assert await everything(database) == []
    await add(database, stream)
    assert [event.version for event in await everything(database, 1)] == [1, 2, 3, 4]


async def test_archiving_moves_nothing_in_the_order(database: Database) -> None:
    """Archived events are read at their places in the order."""
    stream, other = new_stream(), new_stream()
    for _ in range(3):
        await add(database, stream)
        await add(database, other)
    before = await everything(database)
    await database.execute(text("UPDATE event_streams SET last_snapshot_version = current_version"))
    async with UnitOfWork(database) as uow:
        assert await archive(uow, stream, 2) == 2
    assert await everything(database, 2) == before


class Follower:
    """A reader that runs concurrently with writers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.seen: list[StoredEvent] = []

    async def follow(self, until: int) -> None:
        """Read until this number of events was read."""
        while len(self.seen) < until:
            part = await read_after(self.database, self.seen[-1].cursor if self.seen else START, 7)
            self.seen.extend(part)
            await asyncio.sleep(0 if part else 0.002)


async def worker(database: Database, seed: int, streams: list[Stream], count: int) -> None:
    """Append to streams at an uneven pace, partly with expected versions, and again after conflicts."""
    chance = random.Random(seed)
    done = 0
    while done < count:
        stream = chance.choice(streams)
        expected = ANY if chance.random() < 0.3 else await version_of(database, stream)
        try:
            async with UnitOfWork(database) as uow:
                await uow.fetch_value(BEGIN)
                await asyncio.sleep(chance.random() * 0.004)
                await append(uow, stream, expected, [counted(seed * 1000 + done)], CONTEXT)
                await asyncio.sleep(chance.random() * 0.004)
        except VersionConflict as conflict:
            assert conflict.actual > conflict.expected
            continue
        done += 1


@pytest.mark.parametrize("streams", [1, 3, 64])
async def test_eight_writers(database: Database, streams: int) -> None:
    """Eight concurrent writers on one, a few and many streams: concurrent readers get every event once, in
    order, while an archivist runs.
    """
    chosen = [new_stream() for _ in range(streams)]
    readers = [Follower(database), Follower(database)]
    follow = [asyncio.create_task(reader.follow(8 * 25)) for reader in readers]
    await asyncio.gather(
        *(worker(database, seed, chosen, 25) for seed in range(8)), archivist(database, chosen)
    )
    async with asyncio.timeout(10):
        await asyncio.gather(*follow)
    wanted = Counter(seed * 1000 + number for seed in range(8) for number in range(25))
    for reader in readers:
        assert Counter(event.data["number"] for event in reader.seen) == wanted
        assert all(one.cursor < two.cursor for one, two in pairwise(reader.seen))
        assert reader.seen == await everything(database, 11)
    for stream in chosen:
        versions = [event.version for event in readers[0].seen if event.stream == stream]
        assert versions == list(range(1, await version_of(database, stream) + 1))


async def archivist(database: Database, streams: list[Stream]) -> None:
    """Archive events a few times while others write and read."""
    for _ in range(10):
        await asyncio.sleep(0.02)
        stream = streams[0]
        version = await version_of(database, stream)
        pretend = text("UPDATE event_streams SET last_snapshot_version = :version WHERE aggregate_id = :id")
        async with UnitOfWork(database) as uow:
            await uow.execute(pretend.bindparams(version=version, id=stream.aggregate_id))
            if version:
                await archive(uow, stream, version)


async def test_the_order_is_an_index(database: Database) -> None:
    """Reading after a cursor in a long store uses two indexes and no sort."""
    await add(database, new_stream(), 5000)
    await database.execute(text("ANALYZE events"))
    plan = await database.fetch_all(
        text(
            "EXPLAIN SELECT * FROM every_event WHERE (transaction_id, position) > ('1', 4000) "
            "AND transaction_id < pg_snapshot_xmin(pg_current_snapshot()) "
            "ORDER BY transaction_id, position LIMIT 500"
        )
    )
    lines = "\n".join(row[0] for row in plan)
    assert "events_in_order" in lines
    assert "Seq Scan on events" not in lines
