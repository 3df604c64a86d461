"""Tests of projections: each event is applied once, and a rebuild leaves the old tables serving."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.clock import FakeClock
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.append import append
from subgraphs.kit.event_store.batches import BatchProjection, ProjectionStep
from subgraphs.kit.event_store.events import ANY, START, AppendContext, NewEvent, StoredEvent, Stream
from subgraphs.kit.event_store.feed import read_after
from subgraphs.kit.event_store.lag import lag
from subgraphs.kit.event_store.projection import Handler, Projection, apply_next, apply_to, checked_table_name
from subgraphs.kit.event_store.projection_runner import ProjectionRunner
from subgraphs.kit.event_store.rebuild import rebuild
from subgraphs.kit.event_store.restored import adopt
from subgraphs.kit.event_store.upcasters import Upcasters
from subgraphs.kit.rebuilds import RebuildRunning
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork

CONTEXT = AppendContext(created_by="writer", correlation_id=UUID(int=1))
GOALS = text("SELECT player, goals FROM scores ORDER BY player")
_ADD = (
    "INSERT INTO {} AS own VALUES (:player, :goals) "
    "ON CONFLICT (player) DO UPDATE SET goals = own.goals + excluded.goals"
)


class Broken(Exception):
    """Raised in place of the death of a process that applies events."""


@dataclass
class Scores(Projection):
    """A projection of goals by player; it can be made to fail at an event."""

    name: ClassVar[str] = "scores"
    tables: ClassVar[tuple[str, ...]] = ("scores",)
    upcasters: ClassVar[Upcasters] = Upcasters({("Scored", 1): lambda data: {**data, "goals": 1}})
    break_at: int | None = None
    seen: list[int] = field(default_factory=list)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {"Scored": self._scored}

    async def prepare(self, uow: UnitOfWork, generation: int) -> None:
        table = self.table("scores", generation)
        await uow.execute(text(f"CREATE TABLE {table} (player text PRIMARY KEY, goals integer NOT NULL)"))

    async def _scored(self, uow: UnitOfWork, event: StoredEvent, generation: int) -> None:
        add = text(_ADD.format(self.table("scores", generation)))
        goals = event.data["goals"] * 10 ** (self.revision - 1)
        await uow.execute(add.bindparams(player=event.data["player"], goals=goals))
        self.seen.append(event.cursor.position)
        if len(self.seen) == self.break_at:
            raise Broken


class NewScores(Scores):
    """The projection's next revision: each goal counts ten."""

    revision: ClassVar[int] = 2


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A database with the kit's tables and no events."""
    async with fresh_database(postgres_url, "projections") as url:
        database = Database(url)
        await database.migrate(Path(__file__).parent / "no_migrations")
        yield database
        await database.close()


def _scored(player: str, schema_version: int = 1) -> NewEvent:
    data = {"player": player} if schema_version == 1 else {"player": player, "goals": 1}
    return NewEvent(event_type="Scored", data=data, schema_version=schema_version)


async def score(database: Database, player: str, times: int = 1) -> None:
    """Append goals of a player: one with an old schema, then new ones, and an event without a handler."""
    new = [_scored(player, 1 if number == 0 else 2) for number in range(times)]
    async with UnitOfWork(database) as uow:
        stream = Stream("player", uuid4())
        await append(uow, stream, ANY, [*new, NewEvent(event_type="Cheered", data={})], CONTEXT)


async def goals(database: Database) -> dict[str, int]:
    return {row.player: row.goals for row in await database.fetch_all(GOALS)}


async def until(database: Database, wanted: dict[str, int]) -> None:
    """Wait at most a minute until the projection's table has these rows."""
    found: dict[str, int] = {}
    for _ in range(6000):
        found = await goals(database) if await lag(database, "scores") else {}
        if found == wanted:
            return
        await asyncio.sleep(0.01)
    assert found == wanted


async def step(database: Database, projection: Projection, limit: int = 500) -> int | None:
    async with UnitOfWork(database) as uow:
        return await apply_next(uow, projection, limit)


async def catch_up(database: Database, projection: Projection, limit: int = 500) -> None:
    """Apply batches until no event is left."""
    while await step(database, projection, limit):
        pass


async def test_batches_and_lag(database: Database) -> None:
    """Events are applied in batches, those without a handler are skipped, and the lag becomes 0."""
    projection = Scores()
    await step(database, projection)
    await score(database, "ada", 4)
    (before,) = await lag(database, "scores")
    assert (before.events, before.events_applied, before.serving, 0 < before.seconds < 10) == (
        5,
        0,
        True,
        True,
    )
    (counted,) = await lag(database, "scores", most=3)
    assert (counted.events, counted.seconds > 0) == (3, True)
    assert [await step(database, projection, 2) for _ in range(4)] == [2, 2, 1, 0]
    (after,) = await lag(database, "scores")
    assert (after.events, after.seconds, after.events_applied) == (0, 0.0, 4)
    assert after.updated_at > before.updated_at
    assert await goals(database) == {"ada": 4}
    assert await lag(database, "unknown") == []


@pytest.mark.parametrize("break_at", [1, 3, 5, 8])
async def test_killed_and_resumed(database: Database, break_at: int) -> None:
    """A failure inside a batch rolls the batch back; the next run applies it once."""
    await score(database, "ada", 5)
    await score(database, "bob", 3)
    broken = Scores(break_at=break_at)
    with pytest.raises(Broken):
        await catch_up(database, broken, 3)
    if break_at > 3:
        whole = (break_at - 1) // 3
        assert sum((await goals(database)).values()) <= 3 * whole
        (state,) = await lag(database, "scores")
        assert state.events_applied == sum((await goals(database)).values())
        assert 0 < state.events_applied < break_at
    await catch_up(database, Scores(), 2)
    assert await goals(database) == {"ada": 5, "bob": 3}
    assert (await lag(database, "scores"))[0].events_applied == 8


async def test_one_at_a_time(database: Database) -> None:
    """While one process applies events, others return None at once; together they apply every event once."""
    await score(database, "ada", 3)
    async with UnitOfWork(database) as uow:
        assert await apply_next(uow, Scores(), 2) == 2
        assert await asyncio.gather(*(step(database, Scores()) for _ in range(3))) == [None, None, None]
    assert await step(database, Scores()) == 2
    async with UnitOfWork(database) as uow:
        await score(database, "bob")
        assert await apply_next(uow, Scores()) is not None
        assert await asyncio.gather(*(step(database, Scores()) for _ in range(3))) == [None, None, None]
    await catch_up(database, Scores())
    assert await goals(database) == {"ada": 3, "bob": 1}


async def test_projectors(database: Database) -> None:
    """Three runners, one of which fails repeatedly, apply the events of concurrent writers once each."""
    broken = Scores(break_at=5)
    models = (broken, Scores(), Scores())
    parts = [ProjectionRunner(database, each, poll_seconds=0.01, batch=4) for each in models]
    for part in parts:
        await part.start()
    for _ in range(10):
        await asyncio.gather(score(database, "ada", 2), score(database, "bob", 1))
    await until(database, {"ada": 20, "bob": 10})
    for part in parts:
        await part.stop()
    assert (await lag(database, "scores"))[0].events_applied == 30


async def test_rebuild(database: Database) -> None:
    """The old tables serve complete data until the new ones have caught up, while others write."""
    await score(database, "ada", 100)
    await catch_up(database, Scores())
    seen: list[int] = []
    models = (Scores(), NewScores())
    projectors = [ProjectionRunner(database, each, poll_seconds=0.005, batch=3) for each in models]

    async def watch() -> None:
        while True:
            seen.append((await goals(database))["ada"])
            await asyncio.sleep(0)

    for projector in projectors:
        await projector.start()
    watching = asyncio.create_task(watch())
    building = asyncio.create_task(rebuild(database, NewScores(), batch=7))
    for _ in range(20):
        await score(database, "bob")
    assert await building == 2
    await score(database, "bob")
    await until(database, {"ada": 1000, "bob": 210})
    for projector in projectors:
        await projector.stop()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    assert set(seen) == {100, 1000}
    assert seen == sorted(seen)
    (state,) = await lag(database, "scores")
    assert (state.generation, state.serving, state.revision) == (2, True, 2)
    assert await step(database, Scores()) is None
    assert await database.fetch_value(text("SELECT to_regclass('scores_g1')")) is None
    assert await rebuild(database, Scores()) == 3
    assert await goals(database) == {"ada": 100, "bob": 21}


async def test_a_rebuild_is_never_behind(database: Database) -> None:
    """Events that are applied to the old tables right before the swap are in the new tables at the swap."""
    await score(database, "ada", 5)
    await catch_up(database, Scores())

    async def go_on() -> None:
        other = Database(database.url, pool_size=1)
        await score(other, "bob", 2)
        await catch_up(other, Scores())
        await other.close()

    def before_swap(statement: str) -> None:
        if "AND serving FOR UPDATE" in statement and "SKIP" not in statement:
            asides.append(threading.Thread(target=lambda: asyncio.run(go_on())))
            asides[-1].start()
            asides[-1].join(10)

    asides: list[threading.Thread] = []
    remove = database.on_statement(before_swap)
    assert await rebuild(database, Scores(), batch=2) == 2
    remove()
    assert len(asides) == 1
    assert await goals(database) == {"ada": 5, "bob": 2}


async def test_a_rebuild_that_died(database: Database) -> None:
    """After an interrupted rebuild the old tables serve, and the next one restarts or resumes."""
    await score(database, "ada", 6)
    await catch_up(database, Scores())
    for expected, resume in ((2, False), (2, True)):
        with pytest.raises(Broken):
            await rebuild(database, Scores(break_at=4), batch=2, resume=resume)
        assert await goals(database) == {"ada": 6}
        assert [state.generation for state in await lag(database, "scores")] == [1, expected]
    resumed = Scores()
    assert await rebuild(database, resumed, batch=2, resume=True) == 2
    assert resumed.seen == [5, 6]
    assert await goals(database) == {"ada": 6}
    with pytest.raises(Broken):
        await rebuild(database, Scores(break_at=4), batch=2)
    anew = Scores()
    assert await rebuild(database, anew) == 4
    assert len(anew.seen) == 6
    assert await database.fetch_value(text("SELECT to_regclass('scores_g3')")) is None
    both = (rebuild(database, Scores(), batch=1) for _ in range(2))
    first, second = await asyncio.gather(*both, return_exceptions=True)
    assert {type(first), type(second)} == {int, RebuildRunning}
    assert await goals(database) == {"ada": 6}


async def test_what_is_no_projection(database: Database) -> None:
    """A table name that is not safe in SQL is refused, and so is an unknown generation."""
    for name in ("", "Scores", "a; drop table users", 'a"', "a" * 42):
        with pytest.raises(ValueError):
            checked_table_name(name)
    with pytest.raises(LookupError):
        async with UnitOfWork(database) as uow:
            await apply_to(uow, Scores(), 7)


async def test_restored_into_another_server(database: Database) -> None:
    """After `adopt`, events with high transaction ids are read in order."""
    async with UnitOfWork(database) as uow:
        await uow.fetch_value(text("SELECT pg_current_xact_id()"))
        await score(database, "bob", 2)
        await append(uow, Stream("player", uuid4()), ANY, [_scored("ada")], CONTEXT)
    await score(database, "eve")
    before = await read_after(database, START)
    positions = [event.cursor.position for event in before]
    assert positions != sorted(positions)
    await step(database, Scores(), 2)
    shown = await goals(database)
    async with UnitOfWork(database) as uow:
        assert not await adopt(uow)
    for table, column in (
        ("events", "transaction_id"),
        ("projection_checkpoints", "transaction_id"),
        ("event_streams", "last_transaction_id"),
    ):
        ahead = f"UPDATE {table} SET {column} = ({column}::text::bigint + 1000000000000)::text::xid8"
        await database.execute(text(ahead.replace(":", "\\:")))
    assert await read_after(database, START) == []
    async with UnitOfWork(database) as uow:
        assert await adopt(uow)
    async with UnitOfWork(database) as uow:
        assert not await adopt(uow)
    await score(database, "joe")
    after = await read_after(database, START)
    assert [event.event_id for event in after[:-2]] == [event.event_id for event in before]
    assert await goals(database) == shown
    await catch_up(database, Scores())
    assert await goals(database) == {"ada": 1, "bob": 2, "eve": 1, "joe": 1}


class Table(BatchProjection):
    """A projection of goals and cheers that records how many events each step received."""

    name: ClassVar[str] = "scores"
    tables: ClassVar[tuple[str, ...]] = ("scores",)
    upcasters: ClassVar[Upcasters] = Scores.upcasters

    def __init__(self) -> None:
        self.sizes: list[tuple[str, int]] = []

    @property
    def steps(self) -> Sequence[ProjectionStep]:
        """Goals count ten, cheers one."""
        goals, noise = frozenset({"Scored"}), frozenset({"Scored", "Cheered"})
        return ProjectionStep(goals, self._goals), ProjectionStep(noise, self._noise)

    async def prepare(self, uow: UnitOfWork, generation: int) -> None:
        await Scores().prepare(uow, generation)

    async def _goals(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self._add(uow, "goals", 10 * sum(event.data["goals"] for event in events), generation)
        self.sizes.append(("goals", len(events)))

    async def _noise(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self._add(uow, "noise", len(events), generation)
        self.sizes.append(("noise", len(events)))

    async def _add(self, uow: UnitOfWork, player: str, goals: int, generation: int) -> None:
        add = text(_ADD.format(self.table("scores", generation)))
        await uow.execute(add.bindparams(player=player, goals=goals))


async def test_batches_as_a_whole(database: Database) -> None:
    """Each step receives its events of a batch at once; the tables are as without batches."""
    await score(database, "ada", 3)
    async with UnitOfWork(database) as uow:
        await append(uow, Stream("player", uuid4()), ANY, [NewEvent(event_type="Slept", data={})], CONTEXT)
    table = Table()
    await catch_up(database, table, 4)
    assert table.sizes == [("goals", 3), ("noise", 4)]
    assert await goals(database) == {"goals": 30, "noise": 4}
    assert (await lag(database, "scores"))[0].events_applied == 4
    assert set(table.handlers) == {"Scored", "Cheered"}
    assert await rebuild(database, table, batch=1) == 2
    assert await goals(database) == {"goals": 30, "noise": 4}


async def test_told_of_commits(database: Database) -> None:
    """A runner calls `committed` after a batch; a rebuild calls `begun` when its tables exist."""
    await score(database, "ada", 3)
    seen: list[str] = []
    part = ProjectionRunner(
        database, Scores(), poll_seconds=0.01, batch=2, committed=lambda _: seen.append("batch")
    )
    await part.start()
    await until(database, {"ada": 3})
    await part.stop()
    assert seen == ["batch"] * 2
    generation = await rebuild(database, Scores(), begun=lambda number: seen.append(f"generation {number}"))
    assert (generation, seen[2:]) == (2, ["generation 2"])


async def test_woken(database: Database) -> None:
    """A runner that polls once an hour applies events as soon as it is woken, also while it is at work."""
    database.clock = clock = FakeClock()
    part = ProjectionRunner(database, Scores(), poll_seconds=3600)
    await part.start()
    await clock.wait_for_sleepers()
    await score(database, "ada")
    assert await goals(database) == {}
    part.wake()
    await until(database, {"ada": 1})
    await part.stop()
