"""A tower whose bells ring and a sink that keeps a document of each: what the contract of sinks runs
against."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import strawberry
from sqlalchemy import text

from gateway.transport.local import LocalTransport
from subgraphs.kit.bus import Bus
from subgraphs.kit.client import ServiceClient, authorization
from subgraphs.kit.copies import Keyed, digests_field, repair_field, rows_field, versions_field
from subgraphs.kit.database import Database
from subgraphs.kit.graphql import Schema
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.service import Context, Service
from subgraphs.kit.sinks.consumer import SinkConsumer
from subgraphs.kit.sinks.copy import SinkCopy
from subgraphs.kit.sinks.originals import OwnersOriginals
from subgraphs.kit.sinks.sink import Sink
from subgraphs.kit.sinks.target import SinkTarget, Stored, TargetAway, Write
from subgraphs.kit.testing import Keys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync.app import MIGRATIONS as SYNC_MIGRATIONS
from subgraphs.sync.consistency import Checker, Pair
from tests.subgraphs.kit.queue.street import QUICK, BellRang, Street

MIGRATIONS = Path(__file__).parent / "no_migrations"
OWNED = Keyed("bells", "bell_id")
_OWN = text("""
INSERT INTO bells AS it (bell_id, version, times) VALUES (:bell, 1, :times)
ON CONFLICT (bell_id) DO UPDATE SET version = it.version + 1, times = excluded.times RETURNING version""")


class Watched:
    """A target that can be away, hang after a write, or refuse to show another generation."""

    def __init__(self, inner: SinkTarget) -> None:
        self._inner = inner
        self.away = False
        self.refuses_to_serve = False
        self.hangs_after_write = False
        self.hanging = asyncio.Event()
        self.refused = self.writes = 0
        self.serving = 0

    def _check(self) -> None:
        if self.away:
            self.refused += 1
            raise TargetAway("away")

    async def prepare(self, generation: int) -> None:
        """Pass it on."""
        self._check()
        await self._inner.prepare(generation)

    async def write(self, generation: int, writes: Sequence[Write]) -> None:
        """Pass it on, and perhaps never return."""
        self._check()
        await self._inner.write(generation, writes)
        self.writes += 1
        if self.hangs_after_write:
            self.hanging.set()
            await asyncio.Event().wait()

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Pass it on."""
        self._check()
        return list(await self._inner.versions(generation, kind, after, limit))

    async def read(self, generation: int, kind: str, keys: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """Pass it on."""
        self._check()
        return await self._inner.read(generation, kind, keys)

    async def serve(self, generation: int) -> None:
        """Pass it on, and remember it."""
        self._check()
        if self.refuses_to_serve:
            raise TargetAway("not this one")
        await self._inner.serve(generation)
        self.serving = generation

    async def discard(self, generation: int) -> None:
        """Pass it on."""
        self._check()
        await self._inner.discard(generation)


async def translate(uow: UnitOfWork, envelope: Envelope) -> Sequence[Write]:
    """The document of a bell; one that rings a negative number of times cannot be translated."""
    if envelope.payload["times"] < 0:
        raise ValueError(envelope.payload["times"])
    return [Write("bell", envelope.aggregate_id, envelope.version, {"times": envelope.payload["times"]})]


@dataclass
class Bells:
    """The tower with its rows, the sink in the ear's service, and the consistency check between them."""

    street: Street
    target: Watched
    consumer: SinkConsumer
    copy: SinkCopy
    checker: Checker
    client: ServiceClient
    building: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def originals(self) -> "Bells":
        """What the owner tells, once `go_on` is set."""
        return self

    async def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """Wait, and tell."""
        await self.go_on.wait()
        async for batch in OwnersOriginals(self.client, [self.copy]).batches():
            yield batch

    def begun(self, generation: int) -> None:
        """A rebuild has its generation."""
        self.building.set()

    def relay(self) -> Relay:
        """The tower's."""
        return self.street.relay()

    def new_consumer(self) -> SinkConsumer:
        """The same consumer in another process."""
        street, sink = self.street, self.consumer.sink
        return SinkConsumer(street.ear, street.queue.redis, "ear", sink, pace=QUICK, lease_seconds=1.0)

    async def ring(self, times: int, bell: UUID | None = None) -> UUID:
        """Let a bell ring, and answer which."""
        bell = bell or uuid4()
        async with UnitOfWork(self.street.tower) as uow:
            version = await uow.fetch_value(_OWN, bell=bell, times=times)
            uow.emit(BellRang(bell_id=bell, times=times), version)
        return bell

    async def tell_again(self, bell: UUID, version: int, times: int) -> None:
        """An event that is out of date."""
        async with UnitOfWork(self.street.tower) as uow:
            uow.emit(BellRang(bell_id=bell, times=times), version)

    async def documents(self) -> dict[UUID, tuple[int, int]]:
        """Version and times of every bell that readers see."""
        if not self.target.serving:
            return {}
        keys = [key for key, _ in await self.target.versions(self.target.serving, "bell", None, 1000)]
        found = await self.target.read(self.target.serving, "bell", keys)
        return {key: (one.version, one.document["times"]) for key, one in found.items()}

    async def times_of(self, *bells: UUID) -> list[int]:
        """The times of some bells, as readers see them."""
        documents = await self.documents()
        return [documents[bell][1] for bell in bells if bell in documents]

    async def has_failed_to_write(self) -> bool:
        """Whether the target was asked while it was away."""
        return self.target.refused > 1

    async def generations(self) -> list[tuple[int, str]]:
        """What the service's database says of the target."""
        rows = await self.street.ear.fetch_all(
            text("SELECT generation, state FROM sink_generations ORDER BY 1")
        )
        return [(row.generation, row.state) for row in rows]

    async def spoil(self, lost: UUID, older: UUID, wrong: UUID) -> None:
        """What can go wrong in a target: a document is lost, one is old, one tells something else."""
        documents = await self.documents()
        await self.target.discard(1)
        await self.target.prepare(1)
        spoiled = [
            Write("bell", older, documents[older][0] - 1, {"times": 1}),
            Write("bell", wrong, 1, {"times": 77}),
        ]
        await self.target.write(1, spoiled)

    async def check(self, *, deep: bool = False) -> tuple[int, ...]:
        """Missing, older, different, extra, repaired."""
        [report] = await self.checker.check(deep=deep)
        assert report.error is None
        found = report.drift
        return (*map(len, (found.missing, found.older, found.different, found.extra)), report.repaired)

    async def repair(self, bell: UUID, version: int, times: int) -> int:
        """Repair one copy as the check would; answer how many were."""
        async with UnitOfWork(self.street.ear) as uow:
            return int(await self.copy.repair(uow, "ear", bell, version, {"times": times}))


def _query(tables: Mapping[str, Any]) -> type:
    class Query:
        copy_digests = digests_field(tables)
        copy_versions = versions_field(tables)
        copy_rows = rows_field(tables)

    return strawberry.type(Query)


def _mutation(copies: Mapping[str, Any]) -> type:
    class Mutation:
        repair_copies = repair_field(copies, "ear")

    return strawberry.type(Mutation)


def _service(name: str, schema: Schema, database: Database, keys: Keys) -> Service:
    return Service(
        name,
        schema=schema,
        context=lambda caller: Context(caller, database, Bus(database, {})),
        verifier=TokenVerifier(keys.public),
        database=database,
        migrations=MIGRATIONS,
    )


@asynccontextmanager
async def bells_of(street: Street, inner: SinkTarget, keys: Keys, sync_url: str) -> AsyncIterator[Bells]:
    """Bells over a target."""
    await street.tower.execute(text("CREATE TABLE bells (bell_id uuid PRIMARY KEY, version int, times int)"))
    target = Watched(inner)
    sink = Sink("bells", target, ("tower",), {"BellRang": translate})
    consumer = SinkConsumer(street.ear, street.queue.redis, "ear", sink, pace=QUICK, lease_seconds=1.0)
    copy = SinkCopy(consumer, "bell", "tower", "bell", "BellRang")
    tower = _service("tower", Schema(query=_query({"bell": OWNED})), street.tower, keys)
    ear = _service(
        "ear", Schema(query=_query({"bell": copy}), mutation=_mutation({"bell": copy})), street.ear, keys
    )
    way = LocalTransport({"tower": tower.execute, "ear": ear.execute})
    client = ServiceClient(way, authorization(keys.service, UUID(int=1)))
    async with AsyncExitStack() as stack:
        sync = Database(sync_url)
        stack.push_async_callback(sync.close)
        await sync.migrate(SYNC_MIGRATIONS)
        checker = Checker(sync, client, pairs=[Pair("bell", "tower", "ear")], rows=[], settling=0.0)
        yield Bells(street, target, consumer, copy, checker, client)
