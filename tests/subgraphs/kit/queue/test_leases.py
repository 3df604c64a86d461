"""Tests of leases: the processes of a consumer share the partitions, and a process that has lost a lease
commits nothing.
"""

import asyncio
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.leases import LeaseLost, Leases
from subgraphs.kit.queue.outages import is_outage
from subgraphs.kit.queue.streams import PARTITIONS, partition_of
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.kit.queue.service_pair import HANDLERS, ServicePair, record, started, until

_OWNERS = text("SELECT count(*) FROM inbox_leases WHERE owner IS NOT NULL GROUP BY owner")
_RECEIVED = text("INSERT INTO received (times) VALUES (7)")


async def shares(pair: ServicePair) -> list[int]:
    """Return the sorted numbers of partitions per owner."""
    return sorted(int(row[0]) for row in await pair.consumer.fetch_all(_OWNERS))


async def expire(pair: ServicePair) -> None:
    """Make all leases expire, in the database, whose clock decides."""
    for table in ("inbox_leases", "inbox_members"):
        await pair.consumer.execute(
            text(f"UPDATE {table} SET expires_at = clock_timestamp() - interval '1 second'")
        )


async def test_processes_share_the_partitions(pair: ServicePair) -> None:
    """One process has all partitions, two have half each, three at most three each; when one stops, the
    others lease its partitions at once.
    """
    first, second, third = pair.inbox(), pair.inbox(), pair.inbox()
    async with started(first):
        await until(lambda: shares(pair), [PARTITIONS])
        async with started(second):
            await until(lambda: shares(pair), [4, 4])
            async with started(third):
                await until(lambda: shares(pair), [2, 3, 3])
            await until(lambda: shares(pair), [4, 4])
    assert await shares(pair) == []


async def test_a_dead_process_loses_its_partitions(pair: ServicePair) -> None:
    """When the leases of a killed process expire, another process applies its events."""
    await pair.publish(*range(20))
    await Leases(pair.consumer, "consumer", 60.0).renew()
    assert await shares(pair) == [PARTITIONS]
    async with started(pair.relay(), pair.inbox()):
        await until(lambda: pair.count("inbox_members", "consumer"), 2)
        await until(pair.waiting, 0)
        assert await pair.received() == [], "the lease holds as long as it lasts"
        await expire(pair)
        await until(pair.sorted, list(range(20)))


async def test_order_survives_a_change_of_owners(pair: ServicePair) -> None:
    """While processes start and stop, each event of an aggregate is applied once, in order."""
    items = [uuid4() for _ in range(12)]

    async def publish() -> None:
        for number in range(40):
            for item in items:
                await pair.publish(number, item=item)

    async with started(pair.relay(), pair.inbox()):
        publishing = asyncio.create_task(publish())
        while not publishing.done():
            async with started(pair.inbox()):
                await asyncio.sleep(0.5)
            await asyncio.sleep(0.1)
        await publishing
        await until(lambda: pair.count("received", "consumer"), 40 * len(items))
    for item in items:
        assert await pair.received(item) == list(range(40))


async def test_an_old_token_commits_nothing(pair: ServicePair) -> None:
    """A process that was paused until another one leased its partitions can neither commit nor renew."""
    paused, other = Leases(pair.consumer, "consumer", 5.0), Leases(pair.consumer, "consumer", 5.0)
    await paused.renew()
    old = dict(paused.held)
    await expire(pair)
    await other.renew()
    assert sorted(other.held) == sorted(old)
    with pytest.raises(LeaseLost):
        async with UnitOfWork(pair.consumer) as uow:
            await uow.execute(_RECEIVED)
            await paused.fence(uow, old)
    await paused.renew()
    assert paused.held == {}
    async with UnitOfWork(pair.consumer) as uow:
        await other.fence(uow, other.held)
        await uow.execute(_RECEIVED)
    assert await pair.received() == [7]


async def test_nobody_takes_a_partition_from_under_a_transaction(pair: ServicePair) -> None:
    """While a transaction that has passed the fence is open, nobody leases its partition, although the lease
    has expired.
    """
    slow, other = Leases(pair.consumer, "consumer", 0.6), Leases(pair.consumer, "consumer", 5.0)
    await slow.renew()
    number = next(iter(slow.held))
    async with UnitOfWork(pair.consumer) as uow:
        await slow.fence(uow, {number: slow.held[number]})
        for _ in range(5):
            await asyncio.sleep(0.15)
            await uow.execute(_RECEIVED)
        await other.renew()
        assert sorted(other.held) == sorted(set(range(PARTITIONS)) - {number})
    assert len(await pair.received()) == 5
    await other.renew()
    assert number in other.held


async def test_a_transaction_that_sleeps_is_ended(pair: ServicePair) -> None:
    """The server ends the transaction of a paused process, which counts as an outage, so that its partitions
    become free.
    """
    paused, other = Leases(pair.consumer, "consumer", 0.3), Leases(pair.consumer, "consumer", 5.0)
    await paused.renew()
    with pytest.raises(DBAPIError) as caught:
        async with UnitOfWork(pair.consumer) as uow:
            await paused.fence(uow, paused.held)
            await uow.execute(_RECEIVED)
            await asyncio.sleep(0.8)
            await other.renew()
            assert len(other.held) == PARTITIONS
            await uow.execute(_RECEIVED)
    assert is_outage(caught.value)
    assert await pair.received() == []


async def test_a_pause_after_a_preparation_holds_nobody_up(pair: ServicePair) -> None:
    """A process is paused after a statement was prepared and before it is executed: the server's timeout does
    not run then, and the other process ends its session.
    """
    paused, other = Leases(pair.consumer, "consumer", 0.5), Leases(pair.consumer, "consumer", 0.5)
    await paused.renew()
    with pytest.raises(DBAPIError) as caught:
        async with UnitOfWork(pair.consumer) as uow:
            await paused.fence(uow, paused.held)
            raw = await (await uow.connection()).get_raw_connection()
            await cast(Any, raw.driver_connection).prepare("SELECT 1 AS never_executed")
            await until(lambda: _taken(other), True, 10)
            await uow.execute(_RECEIVED)
    assert is_outage(caught.value)
    assert await pair.received() == []


async def test_a_pause_while_tending_holds_nobody_up(pair: ServicePair) -> None:
    """The server also ends the transaction of a process that is paused while it renews leases."""
    paused, other = Leases(pair.consumer, "consumer", 0.5), Leases(pair.consumer, "consumer", 5.0)
    await paused.renew()

    class Pausing(UnitOfWork):
        """A unit of work that stops before its commit, as after SIGSTOP."""

        async def __aexit__(self, *error: Any) -> None:
            await until(lambda: _taken(other), True)
            await super().__aexit__(*error)

    with pytest.raises(DBAPIError):
        await paused.renew(Pausing(pair.consumer))


async def _taken(leases: Leases) -> bool:
    await leases.renew()
    return len(leases.held) == PARTITIONS


async def test_a_paused_handler_is_overtaken(pair: ServicePair) -> None:
    """If a handler hangs for longer than the lease, another process applies its event once, before later
    ones.
    """
    item, hung = uuid4(), asyncio.Event()

    async def hang(uow: UnitOfWork, envelope: Envelope) -> None:
        await record(uow, envelope)
        hung.set()
        await asyncio.sleep(60)

    slow, quick = pair.inbox({"ItemCounted": hang}), pair.inbox(HANDLERS)
    await pair.publish(1, 2, 3, item=item)
    async with started(pair.relay(), slow):
        await asyncio.wait_for(hung.wait(), 5)
        await _silence(slow)
        async with started(quick):
            await until(pair.received, [1, 2, 3])


async def test_a_slow_handler_is_not_doubled(pair: ServicePair) -> None:
    """While a handler works for longer than its lease, nobody else applies its events; then another process
    continues after them.
    """
    item, begun, lapsed, ended = uuid4(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(uow: UnitOfWork, envelope: Envelope) -> None:
        begun.set()
        while not lapsed.is_set():
            await asyncio.sleep(0.02)
            await uow.execute(text("SELECT 1"))
        await record(uow, envelope)
        ended.set()

    slow, quick = pair.inbox({"ItemCounted": slowly}), pair.inbox(HANDLERS)
    await pair.publish(1, item=item)
    async with started(pair.relay(), slow):
        await asyncio.wait_for(begun.wait(), 5)
        await _silence(slow)
        async with started(quick):
            await until(lambda: _lapsed(pair), PARTITIONS - 1)
            lapsed.set()
            await asyncio.wait_for(ended.wait(), 5)
            await pair.publish(2, 3, item=item)
            await until(pair.received, [1, 2, 3])


async def _lapsed(pair: ServicePair) -> int:
    """Return how many partitions a second owner has leased: all but the one whose transaction is open."""
    return await pair.count("inbox_leases WHERE token > 1", "consumer")


async def _silence(inbox: Any) -> None:
    """Stop the task that renews the leases, as a pause of the process would."""
    (renewal,) = [task for task in asyncio.all_tasks() if task.get_name() == "inbox consumer renew leases"]
    renewal.cancel()
    await asyncio.wait([renewal])


def test_partitions_are_the_same_everywhere() -> None:
    """The partition depends on the aggregate's id only, and all partitions are used."""
    assert partition_of(UUID("00000000-0000-0000-0000-000000000001")) == 3
    assert {partition_of(uuid4()) for _ in range(500)} == set(range(PARTITIONS))
