"""`make crash-test`: kills a worker at every point of every scenario, and checks that another one completes
the saga. A point is before or after one write. Then many sagas run with workers killed at random, PostgreSQL
restarted, and a worker stopped for longer than its lease. The last line has the numbers of points, kills,
lost effects, doubled effects, and sagas that do not end.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from gateway.saga.definition import Definitions
from gateway.saga.journal import SagaRequest
from gateway.saga.machine import ACTIVE
from gateway.saga.postgres import PostgresJournal
from gateway.saga.runner import Runner
from subgraphs.kit.testing import SigningKeys
from subgraphs.orchestration.sagas import ASSIGNMENT, CANCELLATION, OBJECTION
from subgraphs.platform.postgres import PostgresServer, start_postgres
from tests.crash.services import SCENARIOS, SERVICES, Case, Scenario, Town
from tests.crash.worker import BUSY, QUICK, Addresses, Points, Where, in_child, work, worker
from tests.folders import make_folder

PATIENCE = 60.0  # seconds for a saga to end
BLIND = (
    8.0  # the same without the idempotency check, where the ledger's constraints keep one from ever ending
)


@dataclass(slots=True)
class Tally:
    """The counts of the last line, and the findings."""

    points: int = 0
    kills: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    stranded: int = 0
    wrong: list[str] = field(default_factory=list)

    def judge(self, about: str, found: Sequence[str]) -> None:
        """Add the faults of one saga to the tally."""
        self.lost += any(one.startswith("lost") for one in found)
        self.doubled += any(one.startswith("doubled") for one in found)
        self.stuck += any(one.startswith("stuck") for one in found)
        self.stranded += any(one.startswith("stranded") for one in found)
        self.wrong += [f"{about}: {one}" for one in found]

    def __str__(self) -> str:
        wrong = f"lost {self.lost}, doubled {self.doubled}, stuck {self.stuck}, stranded {self.stranded}"
        return f"{self.points} points, {self.kills} kills, {wrong}"


@dataclass(frozen=True, slots=True)
class Started:
    """A saga that was started, and its case."""

    saga: UUID
    case: Case


@dataclass(frozen=True, slots=True)
class Preparation:
    """Runs the sagas that come before the one that a scenario is about."""

    journal: PostgresJournal
    definitions: Definitions
    town: Town

    async def start(self, scenario: Scenario, cases: Sequence[Case]) -> list[UUID]:
        """Start the sagas of a scenario's cases after those before them; return their ids."""
        bookings: list[str | None] = [None] * len(cases)
        ids: list[UUID] = []
        for saga in scenario.before or ((ASSIGNMENT,) if scenario.undone else ()):
            if scenario.past and saga == OBJECTION:
                await self.let_pass(bookings)
            ids = [await self.begin(saga, *one) for one in zip(cases, bookings, strict=True)]
            await self.finish()
            bookings = [await self.town.booking(case) for case in cases]
        if scenario.undone:
            for saga_id in ids:
                await self.journal.operate(saga_id, "compensate", "operator", "to see")
            return ids
        if scenario.past:
            await self.let_pass(bookings)
        if scenario.spoiled == "escrow":
            status = "released" if scenario.saga == CANCELLATION else "refunded"
            for booking in bookings:
                await self.town.spoil_escrow(str(booking), status)
        if scenario.timer:
            return [await self.wake(scenario.saga, str(booking)) for booking in bookings]
        return [await self.begin(scenario.saga, *one) for one in zip(cases, bookings, strict=True)]

    async def let_pass(self, bookings: Sequence[str | None]) -> None:
        """Move the events of bookings into the past."""
        for booking in bookings:
            await self.town.let_pass(str(booking))

    async def begin(self, saga: str, case: Case, booking: str | None) -> UUID:
        """Start a saga; return its id."""
        wanted = SagaRequest(self.definitions.newest(saga), secrets.token_hex(8), case.data(saga, booking))
        return (await self.journal.start(wanted))[0]

    async def wake(self, saga: str, booking: str) -> UUID:
        """Let the time of a booking's timer come; return the id of its saga."""
        now = """UPDATE sagas SET wake_at = clock_timestamp() WHERE saga_type = $1
            AND data->>'bookingId' = $2 RETURNING id"""
        found: UUID = await self.journal.pool.fetchval(now, saga, booking)
        return found

    async def finish(self) -> None:
        """Run all sagas that are due."""
        runner = Runner(self.journal, self.definitions, QUICK)
        await runner.start()
        while await self.journal.pool.fetchval(BUSY):  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)
        await runner.stop()


@dataclass(slots=True)
class Ground:
    """The environment of the tests: a PostgreSQL, with a database for the journal and one for each
    service.
    """

    folder: Path
    server: PostgresServer
    where: Addresses

    def restart(self) -> None:
        """Kill PostgreSQL, as a failing machine would, and start it again."""
        self.server.process.send_signal(signal.SIGQUIT)
        self.server.process.wait(20)
        self.server = start_postgres(self.folder / "postgres")

    def start(self, scenario: Scenario, count: int = 1) -> list[Started]:
        """Start this number of sagas, each with a case of its own."""
        return asyncio.run(self._start(scenario, count))

    async def _start(self, scenario: Scenario, count: int) -> list[Started]:
        town = self.where.town()
        definitions = Definitions.of(town.sagas)
        async with asyncpg.create_pool(self.where.journal, min_size=1, max_size=4) as pool:
            journal = PostgresJournal(pool)
            cases = [await town.case(scenario) for _ in range(count)]
            ids = await Preparation(journal, definitions, town).start(scenario, cases)
        await town.close()
        return [Started(*one) for one in zip(ids, cases, strict=True)]

    def judge(self, sagas: Sequence[Started]) -> list[list[str]]:
        """Return the faults of each of these sagas."""
        return asyncio.run(self._judge(sagas))

    async def _judge(self, sagas: Sequence[Started]) -> list[list[str]]:
        town = self.where.town()
        async with asyncpg.create_pool(self.where.journal, min_size=1, max_size=2) as pool:
            journal, found = PostgresJournal(pool), list[list[str]]()
            for one in sagas:
                view = await journal.view(one.saga)
                status = view.status if view else "gone"
                stuck = status in ACTIVE or status == "compensation_failed"
                found.append([f"stuck: {status}"] if stuck else await town.judge(one.case, status))
        await town.close()
        return found

    def active(self) -> int:
        """Return how many sagas have not ended."""
        return int(asyncio.run(self._active()))

    async def _active(self) -> Any:
        connection = await asyncpg.connect(self.where.journal, timeout=5)
        try:
            return await connection.fetchval(f"SELECT count(*) FROM ({BUSY}) AS busy")
        finally:
            await connection.close()


@contextmanager
def ground() -> Iterator[Ground]:
    """Yield a Ground on a PostgreSQL with durable settings."""
    folder = make_folder("mussikon-crash-")
    server = start_postgres(folder / "postgres")
    urls = {name: server.url.replace("/postgres?", f"/{name}?") for name in ("journal", *SERVICES)}
    where = Addresses(urls.pop("journal"), urls, SigningKeys.make(folder))
    made = Ground(folder, server, where)
    try:
        asyncio.run(_prepare(server.url, where))
        yield made
    finally:
        made.server.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _prepare(admin_url: str, where: Addresses) -> None:
    admin = await asyncpg.connect(admin_url)
    for name in ("journal", *SERVICES):
        await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    async with asyncpg.create_pool(where.journal, min_size=1, max_size=1) as pool:
        await PostgresJournal(pool).create()
    town = where.town()
    await town.migrate()
    await town.close()


def wait_for(pid: int, seconds: float = PATIENCE) -> int | None:
    """Wait for a child process; return its status as waitpid does, None if it had to be killed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def points_of(place: Ground, scenario: Scenario) -> list[Where]:
    """Return every point that a worker passes while it executes one saga of a scenario."""
    (started,) = place.start(scenario)
    file = place.folder / "points.json"

    def record() -> None:
        points = Points()
        asyncio.run(work(place.where, points, started.saga, careful=True))
        file.write_text(json.dumps([(one.name, one.when, one.time) for one in points.order]))

    if wait_for(in_child(record)) != 0:
        raise RuntimeError(f"{scenario.name} did not end by itself")
    if found := place.judge([started])[0]:
        raise RuntimeError(f"{scenario.name}, undisturbed: {found}")
    return [Where(*one) for one in json.loads(file.read_text())]


def kill_at(place: Ground, scenario: Scenario, point: Where, tally: Tally, *, careful: bool = True) -> str:
    """Run a saga whose worker dies at a point, and let another worker continue it; record what was found.

    How often a write is repeated depends on speed: a saga that ends before a further pass of a point (`time`
    above 1) is judged as it is.
    """
    (started,) = place.start(scenario)
    ended = wait_for(worker(place.where, point, started.saga, careful=careful))
    if ended is None or (os.WIFEXITED(ended) and point.time == 1):
        tally.judge(f"{point}", ["stuck: the point was not passed"])
        return "not passed"
    if os.WIFEXITED(ended):
        (found,) = place.judge([started])
        tally.judge(f"{point}, {scenario.name}", found)
        return "; ".join(found) or "ended earlier, ok"
    tally.kills += 1
    wait_for(worker(place.where, None, started.saga, careful=careful), PATIENCE if careful else BLIND)
    (found,) = place.judge([started])
    tally.judge(f"{point}, {scenario.name}", found)
    return "; ".join(found) or "ok"


def systematic(place: Ground, tally: Tally, every: int) -> None:
    """Run `kill_at` for each point of each scenario, or for every nth of them."""
    for scenario in SCENARIOS:
        points = points_of(place, scenario)
        tally.points += len(points)
        chosen = points[:: max(every, 1)]
        results: dict[str, dict[str, str]] = defaultdict(dict)
        for point in chosen:
            name = point.name + (f" ({point.time})" if point.time > 1 else "")
            results[name][point.when] = kill_at(place, scenario, point, tally)
        print(f"\n{scenario.name}: {len(chosen)} of {len(points)} points")
        print(f"  {'write':<28} {'killed before':<16} killed after")
        for name, row in results.items():
            print(f"  {name:<28} {row.get('before', '-'):<16} {row.get('after', '-')}", flush=True)


def await_end(place: Ground, seconds: float = PATIENCE) -> None:
    """Wait until no saga is active, or until the time is over."""
    deadline = time.monotonic() + seconds
    while place.active() and time.monotonic() < deadline:
        time.sleep(0.1)


def at_random(place: Ground, tally: Tally, sagas: int, seed: int) -> None:
    """Run sagas with four workers that are killed, stopped and disconnected from their database at random.

    After as many kills as there are sagas the living workers complete the rest, because on a slow machine a
    worker may be killed before it has started.
    """
    chance = random.Random(seed)
    mixed = [one for one in SCENARIOS if not one.undone]
    started = [saga for scenario in mixed for saga in place.start(scenario, -(-sagas // len(mixed)))]
    workers = [worker(place.where, None, UUID(int=0)) for _ in range(4)]
    kills, restarts, stops = 0, 0, 0
    paused: dict[int, float] = {}
    begun = last_restart = time.monotonic()
    while kills < sagas and time.monotonic() - begun < PATIENCE + sagas / 4:
        time.sleep(chance.uniform(0.02, 0.15))
        now = time.monotonic()
        for pid in [pid for pid, until in paused.items() if until < now]:
            del paused[pid]
            os.kill(pid, signal.SIGCONT)
        if chance.random() < 0.1 and len(paused) < 2:
            pid = chance.choice([one for one in workers if one not in paused])
            os.kill(pid, signal.SIGSTOP)
            paused[pid] = now + 0.8  # longer than a lease
            stops += 1
        elif chance.random() < 0.5:
            index = chance.randrange(len(workers))
            paused.pop(workers[index], None)
            os.kill(workers[index], signal.SIGKILL)
            os.waitpid(workers[index], 0)
            workers[index] = worker(place.where, None, UUID(int=0))
            kills += 1
        if now - last_restart > 4:
            place.restart()
            restarts, last_restart = restarts + 1, time.monotonic()
        if kills % 10 == 0 and place.active() == 0:
            break
    for pid in paused:
        os.kill(pid, signal.SIGCONT)
    await_end(place)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    tally.kills += kills
    for one, found in zip(started, place.judge(started), strict=True):
        tally.judge(f"saga {one.saga}", found)
    print(
        f"{len(started)} sagas: {kills} workers killed, {stops} stopped past their lease,"
        f" PostgreSQL killed {restarts} times"
    )


def main() -> int:
    """Run both parts; return exit code 1 if an effect is lost or doubled, a saga does not end, or a planted
    fault is not found.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every so many points")
    parser.add_argument("--sagas", type=int, default=1_000, help="sagas of the random part")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tally, blind = Tally(), Tally()
    with ground() as place:
        systematic(place, tally, options.every)
        print("\nat random")
        at_random(place, tally, options.sagas, options.seed)
        print(
            "without the idempotency check, to see that this test can see:"
            " killed after each commit of a service"
        )
        for name in ("notifications", "payments"):
            kill_at(place, SCENARIOS[0], Where(f"commit {name}", "after"), blind, careful=False)
    for line in tally.wrong[:20]:
        print(line)
    print(f"without the check: doubled {blind.doubled} (has to be above 0)")
    print(tally)
    return 0 if blind.doubled and not (tally.lost or tally.doubled or tally.stuck or tally.stranded) else 1


if __name__ == "__main__":
    sys.exit(main())
