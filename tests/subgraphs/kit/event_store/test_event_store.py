"""Tests of the event store, with an account: appends, states, snapshots, upcasters, archive, audit."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.errors import Conflict
from subgraphs.kit.event_store.aggregate import Aggregate, Loaded
from subgraphs.kit.event_store.append import append, version_of
from subgraphs.kit.event_store.archive import NotBehindSnapshot, archive
from subgraphs.kit.event_store.audit import Filters, history
from subgraphs.kit.event_store.events import (
    ANY,
    NO_STREAM,
    AppendContext,
    NewEvent,
    NoSuchVersion,
    StoredEvent,
    Stream,
    StreamBroken,
    VersionConflict,
    WrongType,
)
from subgraphs.kit.event_store.migrate import migrate_stream
from subgraphs.kit.event_store.upcasters import UnknownSchemaVersion, Upcasters
from subgraphs.kit.testing import counted_statements, fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork

NOBODY = AppendContext(created_by="nobody", correlation_id=UUID(int=1))


@dataclass(frozen=True)
class Account:
    """The state: a balance in cents, and notes."""

    cents: int = 0
    currency: str = ""
    notes: tuple[str, ...] = ()


def apply(state: Account, event: StoredEvent) -> Account:
    """Add a deposit (schema version 3 here) to the balance, or a note to the notes."""
    if event.event_type == "Noted":
        return replace(state, notes=(*state.notes, event.data["note"]))
    return replace(state, cents=state.cents + event.data["cents"], currency=event.data["currency"])


UPCASTERS = Upcasters(
    {
        ("Deposited", 1): lambda data: {"cents": data["euros"] * 100},
        ("Deposited", 2): lambda data: {**data, "currency": "EUR"},
    }
)
ACCOUNT = Aggregate(aggregate_type="account", initial=Account(), apply=apply, upcasters=UPCASTERS)


def deposit(cents: int, schema_version: int = 3) -> NewEvent:
    """Return a deposit in one of its three schema versions."""
    shapes: dict[int, dict[str, Any]] = {
        1: {"euros": cents // 100},
        2: {"cents": cents},
        3: {"cents": cents, "currency": "EUR"},
    }
    return NewEvent(
        event_type="Deposited",
        data=shapes[schema_version],
        schema_version=schema_version,
        metadata={"ip": "127.0.0.1"},
    )


def note(words: str) -> NewEvent:
    return NewEvent(event_type="Noted", data={"note": words})


@pytest.fixture(scope="module")
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A database with the kit's tables; each test makes streams of its own."""
    async with fresh_database(postgres_url, "events") as url:
        database = Database(url)
        await database.migrate(Path(__file__).parent / "no_migrations")
        yield database
        await database.close()


def new_stream() -> Stream:
    """Return a stream without events."""
    return ACCOUNT.stream(uuid4())


async def write(database: Database, stream: Stream, expected: int, *events: NewEvent) -> list[StoredEvent]:
    """Append events in a unit of work of its own."""
    async with UnitOfWork(database) as uow:
        return await append(uow, stream, expected, events, NOBODY)


async def filled(database: Database, count: int) -> Stream:
    """Return a stream with deposits of 1, 2, 3, … cents, appended in parts of different sizes."""
    stream = new_stream()
    loaded: Loaded[Account] = await ACCOUNT.load(database, stream)
    async with UnitOfWork(database) as uow:
        while loaded.version < count:
            part = range(loaded.version + 1, min(loaded.version + 7, count) + 1)
            loaded = await ACCOUNT.save(uow, loaded, [deposit(cents) for cents in part], NOBODY)
    return stream


async def stored(database: Database, stream: Stream) -> list[StoredEvent]:
    """Return all events of a stream, by the audit."""
    return list((await history(database, Filters(aggregate_id=stream.aggregate_id), first=10_000)).events)


async def test_append(database: Database) -> None:
    """Appended events are read as they were written, with versions from 1 and the writer's context."""
    stream, about = (
        new_stream(),
        AppendContext(created_by="ada", correlation_id=uuid4(), causation_id=uuid4()),
    )
    given = [deposit(5), note("it's \"quoted\"; ünï'), -- :colon")]
    async with UnitOfWork(database) as uow:
        first = await append(uow, stream, NO_STREAM, given, about)
        third = await append(
            uow, stream, 2, [NewEvent(event_type="Noted", data={"note": str(stream.aggregate_id)})], about
        )
    assert [event.version for event in [*first, *third]] == [1, 2, 3]
    assert [(event.event_id, event.event_type, event.data, event.metadata) for event in first] == [
        (new.event_id, new.event_type, new.data, new.metadata) for new in given
    ]
    assert {(event.created_by, event.correlation_id, event.causation_id) for event in first} == {
        (about.created_by, about.correlation_id, about.causation_id)
    }
    assert await stored(database, stream) == [*first, *third]
    assert first[0].schema_version == 3
    assert await version_of(database, stream) == 3


@pytest.mark.parametrize("expected", [NO_STREAM, 1, 3])
async def test_wrong_version(database: Database, expected: int) -> None:
    """A wrong expected version writes nothing, also if the unit of work then commits."""
    stream, other = new_stream(), new_stream()
    await write(database, stream, NO_STREAM, deposit(1), deposit(2))
    before = await stored(database, stream)
    async with UnitOfWork(database) as uow:
        with pytest.raises(VersionConflict) as caught:
            await append(uow, stream, expected, [deposit(3)], NOBODY)
        await append(uow, other, NO_STREAM, [deposit(3)], NOBODY)
    assert (caught.value.expected, caught.value.actual) == (expected, 2)
    assert isinstance(caught.value, Conflict)
    assert caught.value.extensions == {"expected": expected, "actual": 2}
    assert await stored(database, stream) == before
    assert await version_of(database, stream) == 2
    assert await version_of(database, other) == 1


async def test_expectations_of_nothing(database: Database) -> None:
    """A version of a missing stream is a conflict; ANY fits no other type; no events are an error."""
    stream = new_stream()
    with pytest.raises(VersionConflict) as caught:
        await write(database, stream, 4, deposit(1))
    assert caught.value.actual == 0
    for count in (1, 2):
        await write(database, stream, ANY, deposit(count))
    assert await version_of(database, stream) == 2
    for expected in (ANY, NO_STREAM, 2):
        with pytest.raises(WrongType):
            await write(database, Stream("tower", stream.aggregate_id), expected, deposit(1))
    for given in ([], [deposit(1)]):
        with pytest.raises(ValueError):
            await write(database, stream, -2 if given else ANY, *given)
    assert len(await stored(database, stream)) == 2


async def test_the_expected_comes_late(database: Database) -> None:
    """An append succeeds if the expected version is committed right after its first try."""
    stream = new_stream()
    await write(database, stream, NO_STREAM, deposit(1))

    async def go_on() -> None:
        other = Database(database.url, pool_size=1)
        await write(other, stream, 1, deposit(2))
        await other.close()

    def before_reason(statement: str) -> None:
        if statement.startswith("SELECT aggregate_type, current_version") and not asides:
            asides.append(threading.Thread(target=lambda: asyncio.run(go_on())))
            asides[0].start()
            asides[0].join(10)

    asides: list[threading.Thread] = []
    remove = database.on_statement(before_reason)
    assert [event.version for event in await write(database, stream, 2, deposit(3))] == [3]
    remove()
    assert len(asides) == 1


async def test_nothing_without_its_transaction(database: Database) -> None:
    """A unit of work that fails leaves neither events nor a gap in the versions."""
    stream = new_stream()
    with pytest.raises(ZeroDivisionError):
        async with UnitOfWork(database) as uow:
            await append(uow, stream, NO_STREAM, [deposit(1)], NOBODY)
            raise ZeroDivisionError
    assert await version_of(database, stream) == 0
    assert [event.version for event in await write(database, stream, NO_STREAM, deposit(1))] == [1]


async def test_a_long_stream_loads_quickly(database: Database) -> None:
    """A stream of a thousand events is loaded with two statements and at most ten events."""
    stream = await filled(database, 1007)
    read: list[StoredEvent] = []

    def counting(state: Account, event: StoredEvent) -> Account:
        read.append(event)
        return apply(state, event)

    with counted_statements(database) as statements:
        loaded = await replace(ACCOUNT, apply=counting).load(database, stream)
    assert (loaded.version, loaded.state.cents) == (1007, 1007 * 1008 // 2)
    assert len(statements) == 1
    assert len(read) == 7
    versions = text("SELECT version FROM snapshots WHERE aggregate_id = :id ORDER BY version")
    rows = await database.fetch_all(versions, id=stream.aggregate_id)
    assert [row.version for row in rows] == list(range(10, 1001, 10))


async def test_past_states(database: Database) -> None:
    """A past state is that of the events up to then; a version of the future is refused."""
    stream = await filled(database, 33)
    events = await stored(database, stream)
    for version in range(34):
        loaded = await ACCOUNT.load_at(database, stream, version)
        assert (loaded.version, loaded.state.cents) == (version, version * (version + 1) // 2)
    for event in events:
        newest = max(other.version for other in events if other.occurred_at <= event.occurred_at)
        assert (await ACCOUNT.load_as_of(database, stream, event.occurred_at)).version == newest
    before = await ACCOUNT.load_as_of(database, stream, events[0].occurred_at - timedelta(microseconds=1))
    assert before == Loaded(stream, Account(), 0, 0)
    with pytest.raises(NoSuchVersion):
        await ACCOUNT.load_at(database, stream, 34)


async def test_snapshots_are_real_states(database: Database) -> None:
    """Each snapshot equals the state of its events; a snapshot with an older schema version is ignored."""
    stream = await filled(database, 25)
    rows = await database.fetch_all(
        text("SELECT version, state_data::text FROM snapshots WHERE aggregate_id = :id"),
        id=stream.aggregate_id,
    )
    assert {
        row.version: f'"cents": {row.version * (row.version + 1) // 2}' in row.state_data for row in rows
    } == {
        10: True,
        20: True,
    }
    await database.execute(
        text("""UPDATE snapshots SET state_data = '{"cents": 7}' WHERE aggregate_id = :id""").bindparams(
            id=stream.aggregate_id
        )
    )
    assert (await ACCOUNT.load(database, stream)).state.cents == 7 + 21 + 22 + 23 + 24 + 25
    newer = replace(ACCOUNT, schema_version=2)
    loaded = await newer.load(database, stream)
    assert (loaded.snapshot_version, loaded.state.cents) == (0, 325)
    async with UnitOfWork(database) as uow:
        await newer.save(uow, loaded, [deposit(1)], NOBODY)
    assert await newer.load(database, stream) == Loaded(stream, Account(326, "EUR"), 26, 26)
    await write(database, stream, 26, deposit(1))
    async with UnitOfWork(database) as uow:
        assert await newer.snapshot(uow, stream) == 27
    assert await newer.load(database, stream) == Loaded(stream, Account(327, "EUR"), 27, 27)


async def test_a_failed_save_leaves_no_snapshot(database: Database) -> None:
    """Events and snapshot are one transaction; a state that JSON cannot represent exactly is refused."""
    stream = await filled(database, 9)
    loaded = await ACCOUNT.load(database, stream)
    with pytest.raises(ZeroDivisionError):
        async with UnitOfWork(database) as uow:
            assert (await ACCOUNT.save(uow, loaded, [deposit(10)], NOBODY)).snapshot_version == 10
            raise ZeroDivisionError
    assert await ACCOUNT.load(database, stream) == loaded
    with pytest.raises(TypeError, match="changes when it is encoded"):
        async with UnitOfWork(database) as uow:
            wrong: Any = ["a list"]
            odd = replace(ACCOUNT, apply=lambda state, event: replace(state, notes=wrong))
            await odd.save(uow, loaded, [deposit(10)], NOBODY)
    assert await ACCOUNT.load(database, stream) == loaded


async def test_missing_events_are_noticed(database: Database) -> None:
    """A stream with a deleted event raises StreamBroken."""
    stream = await filled(database, 5)
    await database.execute(
        text("DELETE FROM events WHERE aggregate_id = :id AND version = 3").bindparams(id=stream.aggregate_id)
    )
    with pytest.raises(StreamBroken):
        await ACCOUNT.load(database, stream)


async def test_upcasters(database: Database) -> None:
    """Events of all schema versions give the right state, also after a migration."""
    stream = new_stream()
    given = [deposit(100 * number, 1 + number % 3) for number in range(1, 13)]
    await write(database, stream, NO_STREAM, *given, note("old"))
    async with UnitOfWork(database) as uow:
        await ACCOUNT.snapshot(uow, stream)
        await archive(uow, stream, 4)
    before = await stored(database, stream)
    for version in range(13):
        assert (await ACCOUNT.load_at(database, stream, version)).state.cents == 50 * version * (version + 1)
    async with UnitOfWork(database) as uow:
        assert await migrate_stream(uow, stream, UPCASTERS) == 8
    after = await stored(database, stream)
    assert after == [UPCASTERS.upcast(event) for event in before]
    assert {(event.event_type, event.schema_version) for event in after} == {("Deposited", 3), ("Noted", 1)}
    assert [replace(event, data={}, schema_version=1) for event in after] == [
        replace(event, data={}, schema_version=1) for event in before
    ]
    async with UnitOfWork(database) as uow:
        assert await migrate_stream(uow, stream, UPCASTERS) == 0
    plain = replace(ACCOUNT, upcasters=Upcasters({}), schema_version=9)
    with pytest.raises(UnknownSchemaVersion):
        await plain.load(database, stream)
    with pytest.raises(UnknownSchemaVersion, match="no upcaster from schema version 1"):
        Upcasters({("Deposited", 2): dict})


async def test_archive(database: Database) -> None:
    """Archived events are not in the table `events`, but in past states and audits."""
    stream = await filled(database, 25)
    before = await stored(database, stream)
    async with UnitOfWork(database) as uow:
        with pytest.raises(NotBehindSnapshot):
            await archive(uow, stream, 21)
        assert await archive(uow, stream, 15) == 15
        assert await archive(uow, stream, 15) == 0
        assert await archive(uow, stream, 20) == 5
    counts = text(
        "SELECT (SELECT count(*) FROM events WHERE aggregate_id = :id), "
        "(SELECT count(*) FROM archived_events WHERE aggregate_id = :id), archived_version, current_version "
        "FROM event_streams WHERE aggregate_id = :id"
    )
    row = await database.fetch_one(counts, id=stream.aggregate_id)
    assert row is not None
    assert tuple(row) == (5, 20, 20, 25)
    assert await stored(database, stream) == before
    for version in (0, 3, 10, 15, 19, 20, 21, 25):
        assert (await ACCOUNT.load_at(database, stream, version)).state.cents == version * (version + 1) // 2
    assert (await replace(ACCOUNT, schema_version=2).load(database, stream)).state.cents == 325
    loaded = await ACCOUNT.load(database, stream)
    async with UnitOfWork(database) as uow:
        assert (await ACCOUNT.save(uow, loaded, [deposit(26)], NOBODY)).version == 26


async def test_history(database: Database) -> None:
    """The audit finds events by aggregate, request, author, time and cause, and its pages miss none."""
    stream, other, request, order = await filled(database, 12), new_stream(), uuid4(), uuid4()
    async with UnitOfWork(database) as uow:
        await archive(uow, stream, 10)
        say = AppendContext(created_by=f"user {request}", correlation_id=request, causation_id=order)
        (first,) = await append(uow, stream, 12, [note("first")], say)
        second, third = await append(
            uow, other, ANY, [note("a"), note("b")], replace(say, causation_id=first.event_id)
        )
        (fourth,) = await append(uow, stream, 13, [note("c")], replace(NOBODY, causation_id=third.event_id))

    async def found(filters: Filters) -> list[UUID]:
        page = await history(database, filters)
        assert page.next is None
        return [event.event_id for event in page.events]

    chain = [event.event_id for event in (first, second, third, fourth)]
    assert await found(Filters(correlation_id=request)) == chain[:3]
    assert await found(Filters(created_by=f"user {request}", aggregate_id=stream.aggregate_id)) == chain[:1]
    assert await found(Filters(caused_by=order)) == chain
    assert await found(Filters(caused_by=third.event_id)) == chain[2:]
    assert await found(Filters(leading_to=fourth.event_id)) == [chain[0], chain[2], chain[3]]
    assert await found(Filters(leading_to=fourth.event_id, aggregate_id=other.aggregate_id)) == [chain[2]]
    assert await found(Filters(since=second.occurred_at, until=fourth.occurred_at)) == chain[1:3]
    assert await found(Filters(until=datetime(2000, 1, 1, tzinfo=UTC))) == []
    assert (
        await found(Filters(event_type="Noted", aggregate_type="account", correlation_id=request))
        == chain[:3]
    )
    pages, after = [], None
    while True:
        page = await history(database, Filters(aggregate_id=stream.aggregate_id), first=5, after=after)
        pages.append([event.version for event in page.events])
        if (after := page.next) is None:
            break
    assert pages == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14]]
