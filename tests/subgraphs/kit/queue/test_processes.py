"""Processes of one consumer that are paused and killed in the midst of their work.

Every event once, in order per aggregate.
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
from tests.subgraphs.kit.queue.street import BellRang, Street, started, until

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[4]
BELLS = [uuid4() for _ in range(20)]
_OWNERS = text("SELECT DISTINCT owner FROM inbox_leases WHERE owner IS NOT NULL")


@contextmanager
def ears(street: Street, queue_url: str, count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """So many processes that listen."""
    command = [sys.executable, "-m", "tests.subgraphs.kit.queue.ear", street.ear.url, queue_url]
    found = [subprocess.Popen(command, cwd=ROOT) for _ in range(count)]
    try:
        yield found
    finally:
        for process in found:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in found:
            process.wait(60)


async def owners(street: Street) -> set[int]:
    """The ids of the processes that hold partitions."""
    return {int(row.owner.split("-")[-2]) for row in await street.ear.fetch_all(_OWNERS)}


async def ring_all(street: Street, rounds: range) -> None:
    """Every bell rings once a round; half of the bells have versions."""
    for number in rounds:
        async with UnitOfWork(street.tower) as uow:
            for place, bell in enumerate(BELLS):
                uow.emit(BellRang(bell_id=bell, times=number), (number + 1) * (place % 2))


async def all_in_order(street: Street, rounds: int) -> None:
    """Each bell is heard once a round, in order."""
    await until(lambda: street.count("heard", "ear"), rounds * len(BELLS))
    for bell in BELLS:
        assert await street.heard(bell) == list(range(rounds))


async def test_a_paused_process_commits_nothing(street: Street, queue_url: str) -> None:
    """SIGSTOP in the midst of a batch.

    After its lease the other handles all; woken again, it neither doubles nor disturbs.
    """
    with ears(street, queue_url, 2) as (paused, other):
        await until(lambda: owners(street), {paused.pid, other.pid})
        async with started(street.relay()):
            await ring_all(street, range(30))
            while await street.count("heard", "ear") <= 100:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)
            os.kill(paused.pid, signal.SIGSTOP)
            await until(lambda: owners(street), {other.pid})
            await all_in_order(street, 30)
            os.kill(paused.pid, signal.SIGCONT)
            await ring_all(street, range(30, 40))
            await until(lambda: owners(street), {paused.pid, other.pid})
            await all_in_order(street, 40)
    assert await street.failures() == []


async def test_a_killed_process_loses_nothing(street: Street, queue_url: str) -> None:
    """kill -9 in the midst of a batch: the other goes on where the first had committed."""
    with ears(street, queue_url, 2) as (killed, other):
        await until(lambda: owners(street), {killed.pid, other.pid})
        async with started(street.relay()):
            await ring_all(street, range(30))
            while await street.count("heard", "ear") <= 100:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)
            killed.kill()
            await until(lambda: owners(street), {other.pid})
            await all_in_order(street, 30)
    assert await street.failures() == []
