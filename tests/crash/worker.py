"""A process that executes sagas, and can be told to kill itself at a point: before or after one of its
writes.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from gateway.saga.definition import Definitions
from gateway.saga.journal import SagaChange, SagaRecord
from gateway.saga.machine import ACTIVE
from gateway.saga.postgres import PostgresJournal
from gateway.saga.runner import Runner, RunnerSettings
from subgraphs.kit import steps
from subgraphs.kit.idempotency import Effect, SagaCall
from subgraphs.kit.testing import SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.crash.services import Town

BUSY = "SELECT 1 FROM sagas WHERE wake_at <= clock_timestamp() + interval '1 minute'"
"""The sagas that are executed, or wait for the retry of a step; timers wait for longer."""
QUICK = RunnerSettings(lease=0.3, at_once=16, poll=0.05)


@dataclass(frozen=True, slots=True)
class Where:
    """A point: the name of the write, whether before or after it, and at which of its passes (from 1)."""

    name: str
    when: str
    time: int = 1

    def __str__(self) -> str:
        return f"{self.when} {self.name}" + (f" ({self.time})" if self.time > 1 else "")


class Points:
    """Records every point that is passed, and kills the process at one of them."""

    def __init__(self, deadly: Where | None = None) -> None:
        self.deadly = deadly
        self.passed: Counter[tuple[str, str]] = Counter()
        self.order: list[Where] = []

    async def __call__(self, name: str, when: str) -> None:
        """Record that a point is passed."""
        self.passed[name, when] += 1
        here = Where(name, when, self.passed[name, when])
        self.order.append(here)
        if here == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class PointedJournal(PostgresJournal):
    """A journal of sagas with a point before and after each write."""

    def __init__(self, pool: asyncpg.Pool, points: Points) -> None:
        super().__init__(pool)
        self.points = points

    async def claim(
        self, owner: str, kinds: Collection[tuple[str, int]], lease: float, most: int
    ) -> Sequence[SagaRecord]:
        """See Journal; a claim that finds no saga writes nothing, so it has no point."""
        if (await self.due_in(kinds) or 0.0) <= 0.0:
            await self.points("claim", "before")
        found = await super().claim(owner, kinds, lease, most)
        if found:
            await self.points("claim", "after")
        return found

    async def write(self, record: SagaRecord, change: SagaChange) -> None:
        """See Journal."""
        await self.points(change.name, "before")
        await super().write(record, change)
        await self.points(change.name, "after")

    async def release(self, record: SagaRecord) -> None:
        """See Journal."""
        await self.points("release", "before")
        await super().release(record)
        await self.points("release", "after")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The URLs of the journal's and the services' databases, and the platform's keys."""

    journal: str
    services: Mapping[str, str]
    keys: SigningKeys

    def town(self) -> Town:
        """Return the services on their databases."""
        return Town(self.services, self.keys)


def point_commits(points: Points) -> None:
    """Add a point before and after each commit of a service; use it only in a process of its own."""
    commit = UnitOfWork.__aexit__

    async def pointed(self: UnitOfWork, kind: Any, error: Any, trace: Any) -> None:
        name = f"commit {self.database.engine.url.database}"
        if error is None:
            await points(name, "before")
        await commit(self, kind, error, trace)
        if error is None:
            await points(name, "after")

    UnitOfWork.__aexit__ = pointed  # type: ignore[method-assign]


async def careless(
    _: UnitOfWork, call: SagaCall, __: Mapping[str, Any], effect: Effect
) -> Mapping[str, Any] | None:
    """A replacement of `run_once` without the idempotency check, to see that the tests find doubled
    effects.
    """
    return await effect(None)


async def is_over(journal: PointedJournal, saga_id: UUID) -> bool:
    """Return whether a saga is in the journal and has ended, and no saga is due."""
    view = await journal.view(saga_id)
    ended = view is not None and view.status not in ACTIVE
    return ended and not await journal.pool.fetchval(BUSY)


async def work(where: Addresses, points: Points, ended: UUID | None, *, careful: bool) -> None:
    """Execute sagas, until one of them has ended and what follows from it, or without end."""
    async with asyncpg.create_pool(
        where.journal, min_size=1, max_size=4, timeout=5, command_timeout=10
    ) as pool:
        journal = PointedJournal(pool, points)
        point_commits(points)
        if not careful:
            assert hasattr(steps, "run_once")
            setattr(steps, "run_once", careless)  # noqa: B010 - a module says what it exports
        town = where.town()
        runner = Runner(journal, Definitions.of(town.sagas), QUICK)
        await runner.start()
        while ended is None or not await is_over(journal, ended):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.02)  # the saga is given back after its last write
        await runner.stop()
        await town.close()


def in_child(main: Callable[[], Any]) -> int:
    """Run a function in a forked process; return its id.

    Its output is appended to the file that the environment variable WORKERS_LOG names; by default it is
    discarded. The parent must have no threads and no event loop.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        log = os.environ.get("WORKERS_LOG", os.devnull)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        main()
        code = 0
    finally:
        os._exit(code)


def worker(where: Addresses, deadly: Where | None, ended: UUID | None, *, careful: bool = True) -> int:
    """Start a worker in a process of its own; return its id."""
    points = Points(deadly)
    return in_child(lambda: asyncio.run(work(where, points, ended, careful=careful)))
