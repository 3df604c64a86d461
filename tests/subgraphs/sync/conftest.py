"""Fixtures of sync's tests: the service, `requests` that publishes events, and `reviews` that consumes them
and can fail, with real outbox, relay and inbox.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope, Event
from subgraphs.kit.queue.failures import RetryPolicy
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue, confirmations_of, newest_id, numeric_id
from subgraphs.kit.service import Service
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys, fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync.app import MIGRATIONS, bootstrap

SYNCS = """query($filter: SyncFilter, $first: Int, $after: String, $last: Int, $before: String) {
  pendingSyncs(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
  totalCount pageInfo { startCursor endCursor hasNextPage hasPreviousPage } edges { node {
  id uuid event { uuid } sourceService targetService entityType entityId eventType operation data
  status retryCount maxRetries errorMessage } } } }"""
LOGS = """query($filter: SyncLogFilter) { syncLogs(filter: $filter) { totalCount edges { node {
  uuid sync { uuid } outcome retryCount errorMessage latencyMs processingTimeMs dataSizeBytes
  orderedBy { uuid } operation } } } }"""


@dataclass(frozen=True, kw_only=True)
class RequestPublished(Event):
    """A request was published."""

    aggregate_type: ClassVar[str] = "musician_request"
    aggregate_key: ClassVar[str] = "request_id"
    request_id: UUID
    title: str


@dataclass(frozen=True, kw_only=True)
class RequestUpdated(RequestPublished):
    """A request was changed."""


@dataclass
class Way:
    """`requests`, `reviews`, and the sync service that records the events between them."""

    requests: Database
    reviews: Database
    queue: Queue
    sync: Client
    admin: ApiUser
    broken: bool = False
    titles: list[str] = field(default_factory=list)

    async def tell(self, event: Event, version: int = 0) -> None:
        """Publish an event."""
        async with UnitOfWork(self.requests) as uow:
            uow.emit(event, version)

    async def hear(self, uow: UnitOfWork, envelope: Envelope) -> None:
        """Store the title in an event of `requests`, or fail."""
        if self.broken:
            raise ValueError("not today")
        self.titles.append(envelope.payload["title"])

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """The inbox of `reviews` runs while the `with` block runs."""
        handlers = {"RequestPublished": self.hear, "RequestUpdated": self.hear}
        retry_policy = RetryPolicy(seconds=0.05, factor=2.0)
        inbox = Inbox(
            self.reviews,
            self.queue.redis,
            "reviews",
            ["requests"],
            handlers,
            retry_policy=retry_policy,
            lease_seconds=1.0,
        )
        await inbox.start()
        try:
            yield
        finally:
            await inbox.stop()

    async def syncs(self, count: int, **filter: Any) -> list[dict[str, Any]]:
        """Return the syncs that a filter selects, the newest first, once there are this many."""
        return await self._until(SYNCS, "pendingSyncs", count, filter)

    async def logs(self, count: int, **filter: Any) -> list[dict[str, Any]]:
        """Return the log entries that a filter selects, the newest first, once there are this many."""
        return await self._until(LOGS, "syncLogs", count, filter)

    async def has_listened(self, service: Service) -> None:
        """Wait until the sync service has read all confirmations."""
        stream = confirmations_of("requests")
        place = text(
            "SELECT last_id FROM inbox_cursors WHERE consumer = 'sync-confirmations' AND stream = :stream"
        )
        async with asyncio.timeout(15):
            while True:
                newest = await newest_id(self.queue.redis, stream)
                if numeric_id(await service.database.fetch_value(place, stream=stream) or "0") >= newest:
                    return
                await asyncio.sleep(0.02)

    async def _until(self, query: str, name: str, count: int, filter: dict[str, Any]) -> list[dict[str, Any]]:
        for _ in range(750):
            found = (await self.sync.data(query, self.admin, filter=filter))[name]
            if found["totalCount"] == count == len(found["edges"]):
                break
            await asyncio.sleep(0.02)
        assert found["totalCount"] == count == len(found["edges"])
        return [edge["node"] for edge in found["edges"]]


@pytest.fixture(scope="module")
async def service(running: Running) -> AsyncIterator[Service]:
    """The sync service."""
    async with running("sync", bootstrap) as service:
        yield service


@pytest.fixture(scope="module")
async def way(service: Service, postgres_url: str, queue_url: str, keys: SigningKeys) -> AsyncIterator[Way]:
    """A Way on fresh databases, with a running relay."""
    nothing = MIGRATIONS.parent / "none"
    async with (
        fresh_database(postgres_url, "requests") as one,
        fresh_database(postgres_url, "reviews") as two,
    ):
        queue, requests, reviews = Queue(queue_url), Database(one), Database(two)
        for database in (requests, reviews):
            await database.migrate(nothing)
        relay = Relay(requests, queue.redis, "requests", poll_seconds=0.1)
        await relay.start()
        yield Way(requests, reviews, queue, Client(service), ApiUser.make(keys, "admin"))
        await relay.stop()
        await queue.stop()
        for database in (requests, reviews):
            await database.close()


@pytest.fixture
def request_id() -> UUID:
    """A new id of a request."""
    return uuid4()
