"""Outbox, relay and inbox: every event arrives, and is applied once, whatever happens in between."""

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
from subgraphs.kit.queue.inbox import EVERY, Inbox
from subgraphs.kit.queue.relay import Relay, Restarted
from subgraphs.kit.queue.streams import streams_of
from subgraphs.kit.testing import entries_of, put
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.platform.valkey import start_valkey
from tests.subgraphs.kit.queue.street import BellRang, Heard, Street, started, street_of, until


async def test_events_arrive_in_order(street: Street) -> None:
    """What one bell tells before and after the start is heard once each, in order."""
    bell = uuid4()
    await street.ring(*range(30), bell=bell)
    async with started(street.relay(), street.inbox()):
        await street.ring(*range(30, 60), bell=bell)
        await until(street.heard, list(range(60)))
    assert await street.waiting() == 0


async def test_events_arrive_at_once(street: Street) -> None:
    """The relay is woken by the commit, not by its next look."""
    relay = Relay(street.tower, street.queue.redis, "tower", poll_seconds=30)
    async with started(relay, street.inbox()):
        await street.ring(1)
        await until(street.heard, [1])
        await street.ring(2)
        await until(street.heard, [1, 2], seconds=3)


async def test_no_event_without_its_transaction(street: Street) -> None:
    """A unit of work that fails tells nothing."""
    with pytest.raises(ZeroDivisionError):
        async with UnitOfWork(street.tower) as uow:
            uow.emit(BellRang(bell_id=uuid4(), times=1))
            await uow.execute(text("SELECT 1"))
            raise ZeroDivisionError
    assert await street.waiting() == 0


async def test_duplicates_are_applied_once(street: Street) -> None:
    """An event that is delivered three times is handled once."""
    await street.ring(1, 2)
    async with started(street.relay(), street.inbox()):
        await until(street.sorted, [1, 2])
        for fields in await entries_of(street.queue.redis, "tower"):
            await put(street.queue.redis, "tower", fields)
            await put(street.queue.redis, "tower", fields)
        await street.ring(3)
        await until(street.sorted, [1, 2, 3])


async def test_two_processes_share_the_work(street: Street) -> None:
    """Two relays publish each event once, two inboxes of a service handle each once."""
    async with started(street.relay(), street.relay(), street.inbox(), street.inbox()):
        await street.ring(*range(100))
        await until(street.sorted, list(range(100)))
        assert len(await entries_of(street.queue.redis, "tower")) == 100


async def test_an_absent_database_costs_no_delivery(street: Street) -> None:
    """While the consumer's database refuses connections its events wait, and none is given up."""
    name = str(await street.ear.fetch_value(text("SELECT current_database()")))
    async with started(street.relay(), street.inbox()):
        await street.ring(1)
        await until(street.heard, [1])
        await _allow_connections(street.tower, name, allowed=False)
        await street.ring(2, 3)
        with capture_logs() as said:
            await until(lambda: _was_said(said, "events wait in the queue"), True)
        await _allow_connections(street.tower, name, allowed=True)
        await until(street.sorted, [1, 2, 3])
    assert await street.failures() == []


async def _was_said(said: Sequence[Mapping[str, Any]], what: str) -> bool:
    return any(each["event"] == what for each in said)


@pytest.mark.system
@pytest.mark.parametrize("durable", [True, False])
async def test_valkey_may_die(postgres_url: str, tmp_path: Path, durable: bool) -> None:
    """Events wait while Valkey is down, and arrive after a kill -9, also when it came back with nothing."""
    server = start_valkey(tmp_path / "valkey", durable=durable)
    async with street_of(postgres_url, server.url) as street, started(street.relay(), street.inbox()):
        await street.ring(1)
        await until(street.heard, [1])
        await until(street.waiting, 0)
        server.process.kill()
        server.process.wait()
        await street.ring(2, 3)
        assert await street.waiting() == 2
        server = start_valkey(tmp_path / "valkey", durable=durable)
        await until(street.sorted, [1, 2, 3])
    server.stop()


async def test_lost_entries_are_told_again(street: Street) -> None:
    """Entries that a restarted server lost before anybody read them are published again."""
    await street.ring(1, 2, 3)
    async with started(street.relay()):
        await until(street.waiting, 0)
    for stream in sorted(streams_of("tower"))[1:]:
        await street.queue.redis.delete(stream)
    async with started(street.relay(), street.inbox()):
        await until(street.sorted, [1, 2, 3])
    assert len(await entries_of(street.queue.redis, "tower")) == 3


async def test_nothing_is_published_on_a_server_that_was_not_compared(street: Street) -> None:
    """A relay that does not know the server's run id publishes nothing.

    What the server may have lost has to come first.
    """
    await street.ring(1)
    with pytest.raises(Restarted):
        await street.relay().publish_batch()
    assert await entries_of(street.queue.redis, "tower") == []
    assert await street.waiting() == 1


async def test_a_cursor_ahead_of_its_stream_starts_anew(street: Street) -> None:
    """A server that came back with less than was read (and a clock that is behind, say) is read from the
    beginning; nothing twice.
    """
    await street.ring(1, 2)
    async with started(street.relay(), street.inbox()):
        await until(street.sorted, [1, 2])
    for table in (street.ear, street.tower):
        await table.execute(text("UPDATE inbox_cursors SET last_id = '9999999999999-0'"))
    await street.ring(3)
    async with started(street.relay(), street.inbox()):
        await until(street.sorted, [1, 2, 3])
        await until(street.undelivered, 0)


async def _allow_connections(admin: Database, name: str, *, allowed: bool) -> None:
    await admin.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS {allowed}'))
    if not allowed:
        ended = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        await admin.execute(ended.bindparams(name=name))


async def test_causes_go_along(street: Street) -> None:
    """An event says who made it and what belongs together.

    What a listener does because of it names it as its cause.
    """

    async def echo(uow: UnitOfWork, envelope: Envelope) -> None:
        if envelope.causation_id is None:
            uow.emit(BellRang(bell_id=uuid4(), times=envelope.read(Heard).times + 1))

    with because(Cause("kim", "r-1")):
        await street.ring(1)
    await street.ring(5)
    listening = Inbox(street.ear, street.queue.redis, "ear", ["tower"], {EVERY: echo})
    query = text(
        "SELECT event_id, payload, created_by, correlation_id, causation_id FROM outbox ORDER BY payload ->> 'times'"
    )

    async def echoes() -> int:
        return len(await street.ear.fetch_all(query))

    async with started(street.relay(), listening):
        await until(echoes, 2)
    (first, second), (one, two) = await street.tower.fetch_all(query), await street.ear.fetch_all(query)
    assert (first.created_by, first.correlation_id, first.causation_id) == ("kim", "r-1", None)
    assert (one.created_by, one.correlation_id, one.causation_id) == ("service:ear", "r-1", first.event_id)
    assert (second.created_by, second.correlation_id) == ("", "")
    assert (two.correlation_id, two.causation_id) == (str(second.event_id), second.event_id)
