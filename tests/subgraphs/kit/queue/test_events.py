"""Tests of outbox, relay and inbox together: every event arrives and is applied once, whatever fails."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from subgraphs.kit.cause import Cause, because
from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.inbox import ANY_TYPE, Inbox
from subgraphs.kit.queue.relay import Relay, ServerRestarted
from subgraphs.kit.queue.streams import streams_of
from subgraphs.kit.testing import entries_of, publish_entry
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.platform.valkey import start_valkey
from tests.subgraphs.kit.queue.service_pair import (
    Count,
    ItemCounted,
    ServicePair,
    service_pair_of,
    started,
    until,
)


async def test_events_arrive_in_order(pair: ServicePair) -> None:
    """Events of one aggregate from before and after the start are applied once each, in order."""
    item = uuid4()
    await pair.publish(*range(30), item=item)
    async with started(pair.relay(), pair.inbox()):
        await pair.publish(*range(30, 60), item=item)
        await until(pair.received, list(range(60)))
    assert await pair.waiting() == 0


async def test_events_arrive_at_once(pair: ServicePair) -> None:
    """The commit wakes the relay, so that an event does not wait for the next poll."""
    relay = Relay(pair.publisher, pair.queue.redis, "publisher", poll_seconds=30)
    async with started(relay, pair.inbox()):
        await pair.publish(1)
        await until(pair.received, [1])
        await pair.publish(2)
        await until(pair.received, [1, 2], seconds=3)


async def test_no_event_without_its_transaction(pair: ServicePair) -> None:
    """A unit of work that fails publishes nothing."""
    with pytest.raises(ZeroDivisionError):
        async with UnitOfWork(pair.publisher) as uow:
            uow.emit(ItemCounted(item_id=uuid4(), times=1))
            await uow.execute(text("SELECT 1"))
            raise ZeroDivisionError
    assert await pair.waiting() == 0


async def test_duplicates_are_applied_once(pair: ServicePair) -> None:
    """An event with three entries in the stream is applied once."""
    await pair.publish(1, 2)
    async with started(pair.relay(), pair.inbox()):
        await until(pair.sorted, [1, 2])
        for fields in await entries_of(pair.queue.redis, "publisher"):
            await publish_entry(pair.queue.redis, "publisher", fields)
            await publish_entry(pair.queue.redis, "publisher", fields)
        await pair.publish(3)
        await until(pair.sorted, [1, 2, 3])


async def test_two_processes_share_the_work(pair: ServicePair) -> None:
    """Two relays publish each event once; two inboxes of a service apply each once."""
    async with started(pair.relay(), pair.relay(), pair.inbox(), pair.inbox()):
        await pair.publish(*range(100))
        await until(pair.sorted, list(range(100)))
        assert len(await entries_of(pair.queue.redis, "publisher")) == 100


async def test_an_absent_database_costs_no_delivery(pair: ServicePair) -> None:
    """While the consumer's database refuses connections, its events wait, and no retry is counted."""
    name = str(await pair.consumer.fetch_value(text("SELECT current_database()")))
    async with started(pair.relay(), pair.inbox()):
        await pair.publish(1)
        await until(pair.received, [1])
        await _allow_connections(pair.publisher, name, allowed=False)
        await pair.publish(2, 3)
        with capture_logs() as said:
            await until(lambda: _was_said(said, "events could not be read; retrying"), True)
        await _allow_connections(pair.publisher, name, allowed=True)
        await until(pair.sorted, [1, 2, 3])
    assert await pair.failures() == []


async def _was_said(said: Sequence[Mapping[str, Any]], what: str) -> bool:
    return any(each["event"] == what for each in said)


@pytest.mark.system
@pytest.mark.parametrize("durable", [True, False])
async def test_valkey_may_die(postgres_url: str, tmp_path: Path, durable: bool) -> None:
    """Events wait while Valkey is down, and arrive after a kill -9, also if its data are lost."""
    server = start_valkey(tmp_path / "valkey", durable=durable)
    async with service_pair_of(postgres_url, server.url) as pair, started(pair.relay(), pair.inbox()):
        await pair.publish(1)
        await until(pair.received, [1])
        await until(pair.waiting, 0)
        server.process.kill()
        server.process.wait()
        await pair.publish(2, 3)
        assert await pair.waiting() == 2
        server = start_valkey(tmp_path / "valkey", durable=durable)
        await until(pair.sorted, [1, 2, 3])
    server.stop()


async def test_lost_entries_are_told_again(pair: ServicePair) -> None:
    """Entries that a restarted server has lost before they were read are published again."""
    await pair.publish(1, 2, 3)
    async with started(pair.relay()):
        await until(pair.waiting, 0)
    for stream in sorted(streams_of("publisher"))[1:]:
        await pair.queue.redis.delete(stream)
    async with started(pair.relay(), pair.inbox()):
        await until(pair.sorted, [1, 2, 3])
    assert len(await entries_of(pair.queue.redis, "publisher")) == 3


async def test_nothing_is_published_on_a_server_that_was_not_compared(pair: ServicePair) -> None:
    """A relay whose run id differs from the server's publishes nothing, because events that the server has
    lost come first.
    """
    await pair.publish(1)
    with pytest.raises(ServerRestarted):
        await pair.relay().publish_batch()
    assert await entries_of(pair.queue.redis, "publisher") == []
    assert await pair.waiting() == 1


async def test_a_cursor_ahead_of_its_stream_starts_anew(pair: ServicePair) -> None:
    """A stream whose newest entry is older than the stored position is read from the beginning; nothing is
    applied twice.
    """
    await pair.publish(1, 2)
    async with started(pair.relay(), pair.inbox()):
        await until(pair.sorted, [1, 2])
    for table in (pair.consumer, pair.publisher):
        await table.execute(text("UPDATE inbox_cursors SET last_id = '9999999999999-0'"))
    await pair.publish(3)
    async with started(pair.relay(), pair.inbox()):
        await until(pair.sorted, [1, 2, 3])
        await until(pair.undelivered, 0)


async def _allow_connections(admin: Database, name: str, *, allowed: bool) -> None:
    await admin.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS {allowed}'))
    if not allowed:
        ended = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        await admin.execute(ended.bindparams(name=name))


async def test_causes_go_along(pair: ServicePair) -> None:
    """An event has its author and correlation id; events that a handler emits have it as their cause."""

    async def echo(uow: UnitOfWork, envelope: Envelope) -> None:
        if envelope.causation_id is None:
            uow.emit(ItemCounted(item_id=uuid4(), times=envelope.read(Count).times + 1))

    with because(Cause("kim", "r-1")):
        await pair.publish(1)
    await pair.publish(5)
    listening = Inbox(pair.consumer, pair.queue.redis, "consumer", ["publisher"], {ANY_TYPE: echo})
    query = text(
        "SELECT event_id, payload, created_by, correlation_id, causation_id"
        " FROM outbox ORDER BY payload ->> 'times'"
    )

    async def echoes() -> int:
        return len(await pair.consumer.fetch_all(query))

    async with started(pair.relay(), listening):
        await until(echoes, 2)
    (first, second), (one, two) = await pair.publisher.fetch_all(query), await pair.consumer.fetch_all(query)
    assert (first.created_by, first.correlation_id, first.causation_id) == ("kim", "r-1", None)
    assert (one.created_by, one.correlation_id, one.causation_id) == (
        "service:consumer",
        "r-1",
        first.event_id,
    )
    assert (second.created_by, second.correlation_id) == ("", "")
    assert (two.correlation_id, two.causation_id) == (str(second.event_id), second.event_id)
