"""Tests with consumer processes that are paused and killed at work: every event is applied once, in order per
aggregate.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.kit.queue.service_pair import ItemCounted, ServicePair, started, until

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[4]
ITEMS = [uuid4() for _ in range(20)]
_OWNERS = text("SELECT DISTINCT owner FROM inbox_leases WHERE owner IS NOT NULL")


@contextmanager
def consumer_processes(
    pair: ServicePair, queue_url: str, count: int
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Start this number of consumer processes."""
    command = [
        sys.executable,
        "-m",
        "tests.subgraphs.kit.queue.consumer_process",
        pair.consumer.url,
        queue_url,
    ]
    found = [subprocess.Popen(command, cwd=ROOT) for _ in range(count)]
    try:
        yield found
    finally:
        for process in found:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in found:
            process.wait(60)


async def owners(pair: ServicePair) -> set[int]:
    """Return the process ids of the partitions' owners."""
    return {int(row.owner.split("-")[-2]) for row in await pair.consumer.fetch_all(_OWNERS)}


async def publish_all(pair: ServicePair, rounds: range) -> None:
    """In each round publish an event of every item; half of the items have versions."""
    for number in rounds:
        async with UnitOfWork(pair.publisher) as uow:
            for place, item in enumerate(ITEMS):
                uow.emit(ItemCounted(item_id=item, times=number), (number + 1) * (place % 2))


async def all_in_order(pair: ServicePair, rounds: int) -> None:
    """Check that each item was received once a round, in order."""
    await until(lambda: pair.count("received", "consumer"), rounds * len(ITEMS))
    for item in ITEMS:
        assert await pair.received(item) == list(range(rounds))


async def test_a_paused_process_commits_nothing(pair: ServicePair, queue_url: str) -> None:
    """A process is stopped by SIGSTOP inside a batch.

    After its lease another process applies all events; when it continues it commits nothing.
    """
    with consumer_processes(pair, queue_url, 2) as (paused, other):
        await until(lambda: owners(pair), {paused.pid, other.pid})
        async with started(pair.relay()):
            await publish_all(pair, range(30))
            while await pair.count("received", "consumer") <= 100:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)
            os.kill(paused.pid, signal.SIGSTOP)
            await until(lambda: owners(pair), {other.pid})
            await all_in_order(pair, 30)
            os.kill(paused.pid, signal.SIGCONT)
            await publish_all(pair, range(30, 40))
            await until(lambda: owners(pair), {paused.pid, other.pid})
            await all_in_order(pair, 40)
    assert await pair.failures() == []


async def test_a_killed_process_loses_nothing(pair: ServicePair, queue_url: str) -> None:
    """A process is killed inside a batch, and another continues after its last commit."""
    with consumer_processes(pair, queue_url, 2) as (killed, other):
        await until(lambda: owners(pair), {killed.pid, other.pid})
        async with started(pair.relay()):
            await publish_all(pair, range(30))
            while await pair.count("received", "consumer") <= 100:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)
            killed.kill()
            await until(lambda: owners(pair), {other.pid})
            await all_in_order(pair, 30)
    assert await pair.failures() == []
