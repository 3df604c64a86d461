"""A publisher of items and a sink that stores a document for each, shared by the contract tests of sinks."""

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
from subgraphs.kit.copies import KeyedTable, digests_field, repair_field, rows_field, versions_field
from subgraphs.kit.database import Database
from subgraphs.kit.graphql import Schema
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.service import Service, ServiceContext
from subgraphs.kit.sinks.consumer import SinkConsumer
from subgraphs.kit.sinks.copy import SinkCopy
from subgraphs.kit.sinks.originals import OwnersOriginals
from subgraphs.kit.sinks.sink import Sink
from subgraphs.kit.sinks.target import SinkTarget, Stored, TargetUnavailable, Write
from subgraphs.kit.testing import SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync.app import MIGRATIONS as SYNC_MIGRATIONS
from subgraphs.sync.consistency import Checker, CopyPair
from tests.subgraphs.kit.queue.service_pair import QUICK_RETRIES, ItemCounted, ServicePair

MIGRATIONS = Path(__file__).parent / "no_migrations"
OWNED = KeyedTable("items", "item_id")
_OWN = text("""
INSERT INTO items AS it (item_id, version, times) VALUES (:item, 1, :times)
ON CONFLICT (item_id) DO UPDATE SET version = it.version + 1, times = excluded.times RETURNING version""")


class FaultyTarget:
    """A target that can be unavailable, hang after a write, or refuse to serve another generation."""

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
            raise TargetUnavailable("away")

    async def prepare(self, generation: int) -> None:
        """Forward to the inner target."""
        self._check()
        await self._inner.prepare(generation)

    async def write(self, generation: int, writes: Sequence[Write]) -> None:
        """Forward to the inner target, then hang if the test wants it."""
        self._check()
        await self._inner.write(generation, writes)
        self.writes += 1
        if self.hangs_after_write:
            self.hanging.set()
            await asyncio.Event().wait()

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Forward to the inner target."""
        self._check()
        return list(await self._inner.versions(generation, kind, after, limit))

    async def read(self, generation: int, kind: str, keys: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """Forward to the inner target."""
        self._check()
        return await self._inner.read(generation, kind, keys)

    async def serve(self, generation: int) -> None:
        """Forward to the inner target, and record the generation."""
        self._check()
        if self.refuses_to_serve:
            raise TargetUnavailable("not this one")
        await self._inner.serve(generation)
        self.serving = generation

    async def discard(self, generation: int) -> None:
        """Forward to the inner target."""
        self._check()
        await self._inner.discard(generation)


async def translate(uow: UnitOfWork, envelope: Envelope) -> Sequence[Write]:
    """Return the write of an item's document. Raises ValueError for a negative count."""
    if envelope.payload["times"] < 0:
        raise ValueError(envelope.payload["times"])
    return [Write("item", envelope.aggregate_id, envelope.version, {"times": envelope.payload["times"]})]


@dataclass
class SinkSetup:
    """The publisher, the sink of the consumer service, and the consistency check between them."""

    pair: ServicePair
    target: FaultyTarget
    consumer: SinkConsumer
    copy: SinkCopy
    checker: Checker
    client: ServiceClient
    building: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def originals(self) -> "SinkSetup":
        """The originals for a rebuild, which wait until `go_on` is set."""
        return self

    async def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """Wait for `go_on`, then yield the owner's rows."""
        await self.go_on.wait()
        async for batch in OwnersOriginals(self.client, [self.copy]).batches():
            yield batch

    def begun(self, generation: int) -> None:
        """Note that a rebuild has started to fill its generation."""
        self.building.set()

    def relay(self) -> Relay:
        """Return a relay of the publisher."""
        return self.pair.relay()

    def new_consumer(self) -> SinkConsumer:
        """Return a second consumer of the same sink, as another process would have it."""
        pair, sink = self.pair, self.consumer.sink
        return SinkConsumer(
            pair.consumer, pair.queue.redis, "consumer", sink, retry_policy=QUICK_RETRIES, lease_seconds=1.0
        )

    async def publish(self, times: int, item: UUID | None = None) -> UUID:
        """Change an item, publish the event, and return the item's id."""
        item = item or uuid4()
        async with UnitOfWork(self.pair.publisher) as uow:
            version = await uow.fetch_value(_OWN, item=item, times=times)
            uow.emit(ItemCounted(item_id=item, times=times), version)
        return item

    async def publish_again(self, item: UUID, version: int, times: int) -> None:
        """Publish an outdated event."""
        async with UnitOfWork(self.pair.publisher) as uow:
            uow.emit(ItemCounted(item_id=item, times=times), version)

    async def documents(self) -> dict[UUID, tuple[int, int]]:
        """Return version and count of every item in the served generation."""
        if not self.target.serving:
            return {}
        keys = [key for key, _ in await self.target.versions(self.target.serving, "item", None, 1000)]
        found = await self.target.read(self.target.serving, "item", keys)
        return {key: (one.version, one.document["times"]) for key, one in found.items()}

    async def times_of(self, *items: UUID) -> list[int]:
        """Return the counts of these items in the served generation."""
        documents = await self.documents()
        return [documents[item][1] for item in items if item in documents]

    async def has_failed_to_write(self) -> bool:
        """Return whether a write has failed because the target was unavailable."""
        return self.target.refused > 1

    async def has_waiting_events(self) -> bool:
        """Return whether the queue has an event that is not in the target yet."""
        return await self.consumer.lag() > 0

    async def generations(self) -> list[tuple[int, str]]:
        """Return the generations of the target and their states, from the consumer's database."""
        rows = await self.pair.consumer.fetch_all(
            text("SELECT generation, state FROM sink_generations ORDER BY 1")
        )
        return [(row.generation, row.state) for row in rows]

    async def spoil(self, lost: UUID, older: UUID, wrong: UUID) -> None:
        """Damage the target: delete one document, make one older, and change the content of one."""
        documents = await self.documents()
        await self.target.discard(1)
        await self.target.prepare(1)
        spoiled = [
            Write("item", older, documents[older][0] - 1, {"times": 1}),
            Write("item", wrong, 1, {"times": 77}),
        ]
        await self.target.write(1, spoiled)

    async def check(self, *, deep: bool = False) -> tuple[int, ...]:
        """Run a check, and return the numbers of missing, older, different, extra and repaired documents."""
        [report] = await self.checker.check(deep=deep)
        assert report.error is None
        found = report.drift
        return (*map(len, (found.missing, found.older, found.different, found.extra)), report.repaired)

    async def repair(self, item: UUID, version: int, times: int) -> int:
        """Repair one copy as the check would, and return the number of repaired copies."""
        async with UnitOfWork(self.pair.consumer) as uow:
            return int(await self.copy.repair(uow, "consumer", item, version, {"times": times}))


def _query(tables: Mapping[str, Any]) -> type:
    class Query:
        copy_digests = digests_field(tables)
        copy_versions = versions_field(tables)
        copy_rows = rows_field(tables)

    return strawberry.type(Query)


def _mutation(copies: Mapping[str, Any]) -> type:
    class Mutation:
        repair_copies = repair_field(copies, "consumer")

    return strawberry.type(Mutation)


def _service(name: str, schema: Schema, database: Database, keys: SigningKeys) -> Service:
    return Service(
        name,
        schema=schema,
        context=lambda caller: ServiceContext(caller, database, Bus(database, {})),
        verifier=TokenVerifier(keys.public),
        database=database,
        migrations=MIGRATIONS,
    )


@asynccontextmanager
async def sink_setup_of(
    pair: ServicePair, inner: SinkTarget, keys: SigningKeys, sync_url: str
) -> AsyncIterator[SinkSetup]:
    """Yield a sink with this target, and its queue, services and consistency check."""
    await pair.publisher.execute(
        text("CREATE TABLE items (item_id uuid PRIMARY KEY, version int, times int)")
    )
    target = FaultyTarget(inner)
    sink = Sink("items", target, ("publisher",), {"ItemCounted": translate})
    consumer = SinkConsumer(
        pair.consumer, pair.queue.redis, "consumer", sink, retry_policy=QUICK_RETRIES, lease_seconds=1.0
    )
    copy = SinkCopy(consumer, "item", "publisher", "item", "ItemCounted")
    publisher = _service("publisher", Schema(query=_query({"item": OWNED})), pair.publisher, keys)
    copies_service = _service(
        "consumer",
        Schema(query=_query({"item": copy}), mutation=_mutation({"item": copy})),
        pair.consumer,
        keys,
    )
    transport = LocalTransport({"publisher": publisher.execute, "consumer": copies_service.execute})
    client = ServiceClient(transport, authorization(keys.service, UUID(int=1)))
    async with AsyncExitStack() as stack:
        sync = Database(sync_url)
        stack.push_async_callback(sync.close)
        await sync.migrate(SYNC_MIGRATIONS)
        checker = Checker(
            sync, client, pairs=[CopyPair("item", "publisher", "consumer")], rows=[], settling=0.0
        )
        yield SinkSetup(pair, target, consumer, copy, checker, client)
