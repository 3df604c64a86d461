"""Tests of SagaChanged: each change of a saga's status or step is published, in the transaction of the
change.
"""

from dataclasses import fields
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from redis.asyncio import Redis

from gateway.saga.definition import Saga, Step, StepCall
from gateway.saga.journal import SagaRequest
from gateway.saga.postgres import PostgresJournal
from subgraphs.kit.testing import entries_of
from subgraphs.orchestration.journal import events_script
from subgraphs.orchestration.messages import SagaChanged
from tests.subgraphs.kit.queue.service_pair import until
from tests.subgraphs.orchestration.bookings import assign
from tests.subgraphs.orchestration.conftest import Town

EVENTS = """SELECT payload, created_by, correlation_id, aggregate_type, published_at IS NOT NULL AS is_out
    FROM outbox WHERE event_type = 'SagaChanged' AND aggregate_id = :id ORDER BY id"""
UNDONE = [
    ("compensating", "create_escrow"),
    ("compensating", "notify_musician"),
    ("compensating", "update_status"),
    ("compensated", "block_availability"),
]


async def events(town: Town, saga_id: str) -> list[Any]:
    """Return the events of a saga."""
    return await town.rows("orchestration", EVENTS, id=UUID(saga_id))


def changes(found: list[Any]) -> list[tuple[str, str | None]]:
    """Return the statuses and steps in events."""
    return [(row.payload["status"], row.payload["step"]) for row in found]


async def test_each_step_is_published(town: Town, queue_url: str) -> None:
    """A saga gives an event for its start, for each step, and for its end; the relay publishes them."""
    player = await town.musician()
    saga = await assign(town, await town.applied(player), player[1])
    steps = [("in_progress", step["name"]) for step in saga["steps"]]
    found = await events(town, saga["uuid"])
    assert changes(found) == [("started", None), *steps, ("completed", "block_availability")]
    payload = found[0].payload
    assert payload.keys() == {field.name for field in fields(SagaChanged)} - {"event_id"}
    assert payload["saga_type"] == "musician_request_assignment"
    assert {(row.payload["started_by"], row.created_by) for row in found} == {(str(town.host.id),) * 2}
    assert {(row.correlation_id, row.aggregate_type) for row in found} == {(f"saga:{saga['uuid']}", "saga")}

    async def published() -> bool:
        return all(row.is_out for row in await events(town, saga["uuid"]))

    await until(published, True)
    async with Redis.from_url(queue_url) as redis:
        entries = await entries_of(redis, "orchestration")
    own = [one for one in entries if one[b"aggregate_id"].decode() == saga["uuid"]]
    assert len(own) == len(found)
    assert {one[b"attempts"] for one in own} == {b"0"}


async def test_undoing_is_published(town: Town) -> None:
    """A saga that is undone gives an event for each step that is undone."""
    player = await town.musician()
    first = await town.applied(player, days=40, hour=20)
    await assign(town, first, player[1])
    saga = await assign(town, await town.applied(player, days=40, hour=21), player[1])
    assert saga["status"] == "COMPENSATED"
    assert changes(await events(town, saga["uuid"]))[-4:] == UNDONE


async def test_a_further_attempt_and_a_lease_are_no_changes(town: Town) -> None:
    """The journal writes no event when a step is tried again, and when a saga is leased or released; a write
    that fails leaves none.
    """
    url = town.services["orchestration"].database.url
    pool = await asyncpg.create_pool(
        url.replace("postgresql+asyncpg://", "postgresql://"), min_size=1, max_size=2
    )
    journal = PostgresJournal(pool)

    async def nothing(call: StepCall) -> dict[str, str]:
        return {}

    saga = Saga("published_test", (Step("only", do=nothing),))
    saga_id, _ = await journal.start(SagaRequest(saga, uuid4().hex, {}, ""))
    for _ in range(2):
        (record,) = await journal.claim("me", [("published_test", 1)], 5.0, 1)
        await journal.renew(record, 5.0)
        await journal.release(record)
    same = "UPDATE sagas SET status = status, wake_at = clock_timestamp() + interval '1 day' WHERE id = $1"
    await pool.execute(same, saga_id)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE sagas SET status = 'failed' WHERE id = $1", saga_id)
        await transaction.rollback()
        await connection.execute(events_script())  # as each start of the service does
    found = await events(town, str(saga_id))
    assert changes(found) == [("started", None)]
    assert (found[0].created_by, found[0].payload["started_by"]) == ("service:orchestration", "")
    await pool.execute("UPDATE sagas SET status = 'failed', wake_at = NULL WHERE id = $1", saga_id)
    assert changes(await events(town, str(saga_id))) == [("started", None), ("failed", None)]
    await pool.close()
