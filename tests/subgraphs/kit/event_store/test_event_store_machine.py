"""A property test: after random appends, archivings, migrations and snapshots the event store agrees with a
plain model.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.aggregate import Aggregate
from subgraphs.kit.event_store.append import append
from subgraphs.kit.event_store.archive import NotBehindSnapshot, archive
from subgraphs.kit.event_store.audit import Filters, history
from subgraphs.kit.event_store.events import (
    ANY,
    START,
    AppendContext,
    Cursor,
    NewEvent,
    NoSuchVersion,
    StoredEvent,
    VersionConflict,
)
from subgraphs.kit.event_store.feed import read_after
from subgraphs.kit.event_store.migrate import migrate_stream
from subgraphs.kit.event_store.upcasters import Upcasters
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork

Answer = TypeVar("Answer")
CONTEXT = AppendContext(created_by="machine", correlation_id=UUID(int=1))
UPCASTERS = Upcasters(
    {("Put", 1): lambda data: {"things": [data["thing"]]}, ("Put", 2): lambda data: {**data, "by": "unknown"}}
)


@dataclass(frozen=True)
class Box:
    """The state: the things that were put into the box, in order, and who put the last one."""

    things: tuple[int, ...] = ()
    by: str = ""


def apply(state: Box, event: StoredEvent) -> Box:
    """Add the event's thing to the box."""
    return Box((*state.things, *event.data["things"]), event.data["by"])


BOX = Aggregate(aggregate_type="box", initial=Box(), apply=apply, upcasters=UPCASTERS)


@dataclass
class Model:
    """What the store must contain about one box."""

    stream_id: UUID
    states: list[Box] = field(default_factory=lambda: [Box()])
    versions: list[int] = field(default_factory=list)
    """The schema version of each event."""
    times: list[datetime] = field(default_factory=list)
    snapshot: int = 0
    archived: int = 0

    def put(self, thing: int, schema_version: int) -> NewEvent:
        """Return an event that puts a thing into the box, in an old or the newest schema."""
        data: dict[str, Any] = {"thing": thing} if schema_version == 1 else {"things": [thing]}
        if schema_version == 3:
            data["by"] = f"user {thing}"
        self.states.append(Box((*self.states[-1].things, thing), data.get("by", "unknown")))
        self.versions.append(schema_version)
        return NewEvent(event_type="Put", data=data, schema_version=schema_version)


THINGS = st.lists(st.integers(-5, 5), min_size=1, max_size=13)


class Machine(RuleBasedStateMachine):
    """Hypothesis's state machine: two boxes, and a reader of the global order."""

    database: ClassVar[Database]
    loop: ClassVar[asyncio.AbstractEventLoop]
    start: ClassVar[Cursor]

    def run(self, task: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(asyncio.wait_for(task, 20))

    @initialize()
    def begin(self) -> None:
        """Make two new streams, and read the events of earlier runs."""
        self.boxes = [Model(uuid4()), Model(uuid4())]
        self.count = 0
        self.seen: list[StoredEvent] = []
        self.cursor = Machine.start

    @rule(which=st.integers(0, 1), things=THINGS, shape=st.integers(1, 3), anything=st.booleans())
    def append_events(self, which: int, things: list[int], shape: int, anything: bool) -> None:
        """Append events without the aggregate, which writes no snapshot."""
        box = self.boxes[which]
        expected = ANY if anything else len(box.versions)
        written = self.run(self._append(box, expected, [box.put(thing, shape) for thing in things]))
        box.times.extend(event.occurred_at for event in written)
        self.count += len(written)

    @rule(which=st.integers(0, 1), off=st.integers(-3, 3).filter(bool))
    def append_wrongly(self, which: int, off: int) -> None:
        """A wrong expected version raises VersionConflict with the right one."""
        box = self.boxes[which]
        expected = max(0, len(box.versions) + off)
        if expected == len(box.versions):
            return
        new = NewEvent(event_type="Put", data={"things": [99], "by": "nobody"}, schema_version=3)
        with pytest.raises(VersionConflict) as caught:
            self.run(self._append(box, expected, [new]))
        assert (caught.value.expected, caught.value.actual) == (expected, len(box.versions))

    async def _append(self, box: Model, expected: int, events: list[NewEvent]) -> list[StoredEvent]:
        async with UnitOfWork(self.database) as uow:
            return await append(uow, BOX.stream(box.stream_id), expected, events, CONTEXT)

    @rule(which=st.integers(0, 1), things=THINGS)
    def save(self, which: int, things: list[int]) -> None:
        """Save events by the aggregate, which writes a snapshot every ten events."""
        box = self.boxes[which]
        since = box.snapshot
        for version in range(len(box.versions) + 1, len(box.versions) + len(things) + 1):
            since = version if version - since >= 10 else since

        async def save() -> None:
            loaded = await BOX.load(self.database, BOX.stream(box.stream_id))
            async with UnitOfWork(self.database) as uow:
                saved = await BOX.save(uow, loaded, [box.put(thing, 3) for thing in things], CONTEXT)
            assert (saved.state, saved.version) == (box.states[-1], len(box.versions))
            assert saved.snapshot_version == since

        self.run(save())
        box.snapshot = since
        found = self.run(self._stored(box))
        box.times = [event.occurred_at for event in found]
        self.count += len(things)

    @rule(which=st.integers(0, 1))
    def take_snapshot(self, which: int) -> None:
        """Write a snapshot."""
        box = self.boxes[which]

        async def take() -> int:
            async with UnitOfWork(self.database) as uow:
                return await BOX.snapshot(uow, BOX.stream(box.stream_id))

        assert self.run(take()) == len(box.versions)
        box.snapshot = len(box.versions)

    @rule(which=st.integers(0, 1), part=st.floats(0, 1.2))
    def archive_events(self, which: int, part: float) -> None:
        """Events that a snapshot covers can be archived, other events cannot."""
        box = self.boxes[which]
        up_to = max(1, round(part * len(box.versions)))

        async def move() -> int:
            async with UnitOfWork(self.database) as uow:
                return await archive(uow, BOX.stream(box.stream_id), up_to)

        if up_to > box.snapshot:
            with pytest.raises(NotBehindSnapshot):
                self.run(move())
            return
        assert self.run(move()) == max(0, up_to - box.archived)
        box.archived = max(box.archived, up_to)

    @rule(which=st.integers(0, 1))
    def migrate(self, which: int) -> None:
        """A migration rewrites each event with an old schema, once."""
        box = self.boxes[which]

        async def rewrite() -> int:
            async with UnitOfWork(self.database) as uow:
                return await migrate_stream(uow, BOX.stream(box.stream_id), UPCASTERS)

        assert self.run(rewrite()) == sum(version < 3 for version in box.versions)
        box.versions = [3] * len(box.versions)

    @rule(which=st.integers(0, 1), part=st.floats(0, 1))
    def load_past(self, which: int, part: float) -> None:
        """States of the past are found by version and by time; a version of the future is refused."""
        box = self.boxes[which]
        stream, version = BOX.stream(box.stream_id), round(part * len(box.versions))
        loaded = self.run(BOX.load_at(self.database, stream, version))
        assert (loaded.state, loaded.version) == (box.states[version], version)
        with pytest.raises(NoSuchVersion):
            self.run(BOX.load_at(self.database, stream, len(box.versions) + 1))
        if version:
            newest = max(number for number, time in enumerate(box.times, 1) if time <= box.times[version - 1])
            past = self.run(BOX.load_as_of(self.database, stream, box.times[version - 1]))
            assert (past.state, past.version) == (box.states[newest], newest)

    @rule(limit=st.integers(1, 40))
    def read_on(self, limit: int) -> None:
        """The reader of the global order reads some of the next events."""
        part = self.run(read_after(self.database, self.cursor, limit))
        assert len(part) == min(limit, self.count - len(self.seen))
        self.seen.extend(part)
        self.cursor = part[-1].cursor if part else self.cursor

    async def _stored(self, box: Model) -> list[StoredEvent]:
        page = await history(self.database, Filters(aggregate_id=box.stream_id), first=10_000)
        return list(page.events)

    @invariant()
    @precondition(lambda self: hasattr(self, "boxes"))
    def agrees(self) -> None:
        """The newest state, the events and the places where they are stored agree with the model."""
        where = text("SELECT count(*) FROM events WHERE aggregate_id = :id")
        for box in self.boxes:
            loaded = self.run(BOX.load(self.database, BOX.stream(box.stream_id)))
            assert (loaded.state, loaded.version) == (box.states[-1], len(box.versions))
            assert loaded.snapshot_version == box.snapshot
            found = self.run(self._stored(box))
            assert [event.version for event in found] == list(range(1, len(box.versions) + 1))
            assert [event.schema_version for event in found] == box.versions
            assert [event.occurred_at for event in found] == box.times
            live = self.run(self.database.fetch_value(where, id=box.stream_id))
            assert live == len(box.versions) - box.archived

    def teardown(self) -> None:
        """The reader has read every event of both streams once."""
        if not hasattr(self, "boxes"):
            return
        self.seen.extend(rest := self.run(read_after(self.database, self.cursor, 10_000)))
        Machine.start = rest[-1].cursor if rest else self.cursor
        for box in self.boxes:
            own = [event for event in self.seen if event.stream.aggregate_id == box.stream_id]
            assert [event.version for event in own] == list(range(1, len(box.versions) + 1))
        assert len({event.event_id for event in self.seen}) == len(self.seen) == self.count


@asynccontextmanager
async def _database(postgres_url: str) -> AsyncIterator[Database]:
    async with fresh_database(postgres_url, "machine") as url:
        database = Database(url, pool_size=2)
        await database.migrate(Path(__file__).parent / "no_migrations")
        yield database
        await database.close()


@contextmanager
def machine_on(postgres_url: str) -> Iterator[type[Machine]]:
    """Return the machine for a database, with an event loop of its own, because hypothesis calls rules
    outside of any loop.
    """
    loop = asyncio.new_event_loop()
    opened = _database(postgres_url)
    Machine.loop, Machine.start = loop, START
    Machine.database = loop.run_until_complete(opened.__aenter__())
    try:
        yield Machine
    finally:
        loop.run_until_complete(opened.__aexit__(None, None, None))
        loop.close()


def test_machine(postgres_url: str) -> None:
    """Many random sequences of up to 25 steps agree with the model."""
    chosen = settings(
        max_examples=30,
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    with machine_on(postgres_url) as machine:
        run_state_machine_as_test(machine, settings=chosen)
