"""Leases: the processes of a consumer share the partitions, and whoever has lost one commits nothing."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.leases import LeaseLost, Leases
from subgraphs.kit.queue.outages import is_outage
from subgraphs.kit.queue.streams import PARTITIONS, partition_of
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.kit.queue.street import HANDLERS, Street, hear, started, until

_OWNERS = text("SELECT count(*) FROM inbox_leases WHERE owner IS NOT NULL GROUP BY owner")
_HEARD = text("INSERT INTO heard (times) VALUES (7)")


async def shares(street: Street) -> list[int]:
    """How many partitions each owner has, sorted."""
    return sorted(int(row[0]) for row in await street.ear.fetch_all(_OWNERS))


async def expire(street: Street) -> None:
    """Let the time of all leases be over: the database's clock is the one that they follow."""
    for table in ("inbox_leases", "inbox_members"):
        await street.ear.execute(
            text(f"UPDATE {table} SET expires_at = clock_timestamp() - interval '1 second'")
        )


async def test_processes_share_the_partitions(street: Street) -> None:
    """One has all; two have half each; three at most ceil(8/3).

    And when one stops the others have its part at once.
    """
    first, second, third = street.inbox(), street.inbox(), street.inbox()
    async with started(first):
        await until(lambda: shares(street), [PARTITIONS])
        async with started(second):
            await until(lambda: shares(street), [4, 4])
            async with started(third):
                await until(lambda: shares(street), [2, 3, 3])
            await until(lambda: shares(street), [4, 4])
    assert await shares(street) == []


async def test_a_dead_process_loses_its_partitions(street: Street) -> None:
    """What a process held that died without a word goes to another when the lease ends, and its events are
    handled.
    """
    await street.ring(*range(20))
    await Leases(street.ear, "ear", 60.0).tend()
    assert await shares(street) == [PARTITIONS]
    async with started(street.relay(), street.inbox()):
        await until(lambda: street.count("inbox_members", "ear"), 2)
        await until(street.waiting, 0)
        assert await street.heard() == [], "the lease holds as long as it lasts"
        await expire(street)
        await until(street.sorted, list(range(20)))


async def test_order_survives_a_change_of_owners(street: Street) -> None:
    """While processes come and go, each bell is heard once a ring, in order."""
    bells = [uuid4() for _ in range(12)]

    async def ring() -> None:
        for number in range(40):
            for bell in bells:
                await street.ring(number, bell=bell)

    async with started(street.relay(), street.inbox()):
        ringing = asyncio.create_task(ring())
        while not ringing.done():
            async with started(street.inbox()):
                await asyncio.sleep(0.5)
            await asyncio.sleep(0.1)
        await ringing
        await until(lambda: street.count("heard", "ear"), 40 * len(bells))
    for bell in bells:
        assert await street.heard(bell) == list(range(40))


async def test_an_old_token_commits_nothing(street: Street) -> None:
    """A process that was paused until another took its partitions can neither commit nor renew."""
    paused, other = Leases(street.ear, "ear", 5.0), Leases(street.ear, "ear", 5.0)
    await paused.tend()
    old = dict(paused.held)
    await expire(street)
    await other.tend()
    assert sorted(other.held) == sorted(old)
    with pytest.raises(LeaseLost):
        async with UnitOfWork(street.ear) as uow:
            await uow.execute(_HEARD)
            await paused.fence(uow, old)
    await paused.tend()
    assert paused.held == {}
    async with UnitOfWork(street.ear) as uow:
        await other.fence(uow, other.held)
        await uow.execute(_HEARD)
    assert await street.heard() == [7]


async def test_nobody_takes_a_partition_from_under_a_transaction(street: Street) -> None:
    """As long as a transaction that passed the fence is open, its partition is not taken, though the lease
    ended meanwhile.
    """
    slow, other = Leases(street.ear, "ear", 0.6), Leases(street.ear, "ear", 5.0)
    await slow.tend()
    number = next(iter(slow.held))
    async with UnitOfWork(street.ear) as uow:
        await slow.fence(uow, {number: slow.held[number]})
        for _ in range(5):
            await asyncio.sleep(0.15)
            await uow.execute(_HEARD)
        await other.tend()
        assert sorted(other.held) == sorted(set(range(PARTITIONS)) - {number})
    assert len(await street.heard()) == 5
    await other.tend()
    assert number in other.held


async def test_a_transaction_that_sleeps_is_ended(street: Street) -> None:
    """A process that is paused inside its transaction does not hold its partitions for ever.

    The server ends it, as an outage.
    """
    paused, other = Leases(street.ear, "ear", 0.3), Leases(street.ear, "ear", 5.0)
    await paused.tend()
    with pytest.raises(DBAPIError) as caught:
        async with UnitOfWork(street.ear) as uow:
            await paused.fence(uow, paused.held)
            await uow.execute(_HEARD)
            await asyncio.sleep(0.8)
            await other.tend()
            assert len(other.held) == PARTITIONS
            await uow.execute(_HEARD)
    assert is_outage(caught.value)
    assert await street.heard() == []


async def test_a_pause_while_tending_holds_nobody_up(street: Street) -> None:
    """A process that is paused while it renews its leases has locked them.

    The server ends that, too, and another takes them.
    """
    paused, other = Leases(street.ear, "ear", 0.5), Leases(street.ear, "ear", 5.0)
    await paused.tend()

    class Pausing(UnitOfWork):
        """Stops at the end of its transaction, as by SIGSTOP."""

        async def __aexit__(self, *error: Any) -> None:
            await until(lambda: _taken(other), True)
            await super().__aexit__(*error)

    with pytest.raises(DBAPIError):
        await paused.tend(Pausing(street.ear))


async def _taken(leases: Leases) -> bool:
    await leases.tend()
    return len(leases.held) == PARTITIONS


async def test_a_paused_handler_is_overtaken(street: Street) -> None:
    """An event whose handler hangs longer than the lease is handled by another process, once, before what
    follows it.
    """
    bell, hung = uuid4(), asyncio.Event()

    async def hang(uow: UnitOfWork, envelope: Envelope) -> None:
        await hear(uow, envelope)
        hung.set()
        await asyncio.sleep(60)

    slow, quick = street.inbox({"BellRang": hang}), street.inbox(HANDLERS)
    await street.ring(1, 2, 3, bell=bell)
    async with started(street.relay(), slow):
        await asyncio.wait_for(hung.wait(), 5)
        await _silence(slow)
        async with started(quick):
            await until(street.heard, [1, 2, 3])


async def test_a_slow_handler_is_not_doubled(street: Street) -> None:
    """While a handler works on past its lease nobody else handles its events.

    Afterwards the other process goes on behind them.
    """
    bell, begun, lapsed, ended = uuid4(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(uow: UnitOfWork, envelope: Envelope) -> None:
        begun.set()
        while not lapsed.is_set():
            await asyncio.sleep(0.02)
            await uow.execute(text("SELECT 1"))
        await hear(uow, envelope)
        ended.set()

    slow, quick = street.inbox({"BellRang": slowly}), street.inbox(HANDLERS)
    await street.ring(1, bell=bell)
    async with started(street.relay(), slow):
        await asyncio.wait_for(begun.wait(), 5)
        await _silence(slow)
        async with started(quick):
            await until(lambda: _lapsed(street), PARTITIONS - 1)
            lapsed.set()
            await asyncio.wait_for(ended.wait(), 5)
            await street.ring(2, 3, bell=bell)
            await until(street.heard, [1, 2, 3])


async def _lapsed(street: Street) -> int:
    """How many partitions a second owner has taken: all but the one whose transaction is open."""
    return await street.count("inbox_leases WHERE token > 1", "ear")


async def _silence(inbox: Any) -> None:
    """Stop the task that renews the leases: what a pause of the process does, too."""
    (tend,) = [task for task in asyncio.all_tasks() if task.get_name() == "inbox ear tend"]
    tend.cancel()
    await asyncio.wait([tend])


def test_partitions_are_the_same_everywhere() -> None:
    """The partition of an aggregate is a fact of its id, not of the process; and all partitions are used."""
    assert partition_of(UUID("00000000-0000-0000-0000-000000000001")) == 3
    assert {partition_of(uuid4()) for _ in range(500)} == set(range(PARTITIONS))
