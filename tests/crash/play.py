"""What can happen to bookings, for the state machine of `tests.crash.life`: users, time, admins, failures.

The services are real, on a PostgreSQL that is killed; workers that execute sagas are processes that are
killed and stopped. Time passes by moving events and timers into the past.
"""

import asyncio
import os
import random
import secrets
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import asyncpg
from sqlalchemy import text

from gateway.core.errors import SagaError
from gateway.saga.definition import Definitions
from gateway.saga.journal import SagaRequest
from gateway.saga.operators import operate
from gateway.saga.postgres import PostgresJournal
from subgraphs.orchestration.sagas import (
    ASSIGNMENT,
    CANCELLATION,
    CLOSURE,
    DECISION,
)
from tests.crash.faults import faults_of
from tests.crash.run import Ground
from tests.crash.services import SCENARIOS, Case, Town
from tests.crash.worker import BUSY, worker

By = Literal["client", "musician", "stranger"]
PATIENCE = 90.0  # seconds until all sagas must have ended
_WAITING = """UPDATE sagas SET wake_at = wake_at - $1::interval
    WHERE wake_at > clock_timestamp() + interval '2 minutes'"""
_STUCK = f"""{BUSY.replace("SELECT 1", "SELECT *, clock_timestamp() AS now")} ORDER BY wake_at LIMIT 5"""
_FAILED = "SELECT id FROM sagas WHERE status = 'compensation_failed'"
_SHIFTS = {
    "musician_requests": "starts_at = starts_at - :span, ends_at = ends_at - :span",
    "bookings": "starts_at = starts_at - :span, ends_at = ends_at - :span, expires_at = expires_at - :span",
}
_CLOSED = text("INSERT INTO closed_users VALUES (:user, true, 1) ON CONFLICT DO NOTHING")


class Stuck(Exception):
    """Sagas did not end in time; the message has the state of the first ones."""


@dataclass(slots=True)
class Play:
    """One run. `cases`: the requests with their users. `chance`: the source of what is not drawn."""

    ground: Ground
    cases: list[Case]
    workers: list[int]
    paused: dict[int, float]
    chance: random.Random
    kills: int = 0
    restarts: int = 0

    @classmethod
    def begin(cls, ground: Ground, seed: int) -> "Play":
        """Start the workers of a run."""
        workers = [worker(ground.where, None, None) for _ in range(2)]
        return cls(ground, [], workers, {}, random.Random(seed))

    # users

    async def request(self) -> None:
        """Publish a request, to which a musician applies."""
        town = self.ground.where.town()
        self.cases.append(await town.case(SCENARIOS[0]))
        await town.close()

    async def offer(self, number: int, price: str | None, accept: bool) -> None:
        """Offer a booking to the musician of a request."""
        case = self.cases[number % len(self.cases)]
        more = {"price": price, "acceptOutsideBudget": accept}
        await self.start(ASSIGNMENT, {**case.data(ASSIGNMENT, None), **more})

    async def act(self, saga: str, number: int, by: By, **more: Any) -> None:
        """Start a saga about the newest booking of a request, as one of its parties or a stranger."""
        case = self.cases[number % len(self.cases)]
        booking = await self.booking_of(case)
        if booking is not None:
            users = {"client": case.client, "musician": case.user, "stranger": uuid4()}
            await self.start(saga, {"bookingId": booking, "byUserId": str(users[by]), **more})

    async def cancel_request(self, number: int) -> None:
        """Cancel a request with its booking, as its client."""
        case = self.cases[number % len(self.cases)]
        data = {"bookingId": None, "requestId": str(case.request), "byUserId": str(case.client)}
        await self.start(CANCELLATION, {**data, "reason": "rain"})

    async def close_account(self, number: int, by: By) -> None:
        """Close the account of a user, as the users service and its event do."""
        case = self.cases[number % len(self.cases)]
        user = case.client if by == "client" else case.user
        town = self.ground.where.town()
        for name in ("requests", "matching"):
            await town.services[name].database.execute(_CLOSED.bindparams(user=user))
        await town.close()
        await self.start(CLOSURE, {"userId": str(user)})

    async def decide(self, number: int, percent: int) -> None:
        """Decide about an objection, as an admin."""
        booking = await self.booking_of(self.cases[number % len(self.cases)])
        if booking is not None:
            await self.start(DECISION, {"bookingId": booking, "percent": percent, "reason": "both"})

    async def operate(self, verb: Any, types: tuple[str, ...]) -> None:
        """Give an operator's command for a random saga of these types; a refused command changes nothing."""
        town = self.ground.where.town()
        async with self.pool() as pool:
            rows = await pool.fetch("SELECT id FROM sagas WHERE saga_type = ANY($1)", types)
            if rows:
                try:
                    saga = self.chance.choice(rows)["id"]
                    await operate(
                        PostgresJournal(pool), Definitions.of(town.sagas), saga, verb, "operator", "to see"
                    )
                except SagaError:
                    pass
        await town.close()

    async def start(self, saga: str, data: Mapping[str, Any]) -> None:
        """Write a new saga into the journal."""
        town = self.ground.where.town()
        definition = Definitions.of(town.sagas).newest(saga)
        async with self.pool() as pool:
            request = SagaRequest(definition, secrets.token_hex(8), data, str(data.get("byUserId", "")))
            await PostgresJournal(pool).start(request)
        await town.close()

    async def booking_of(self, case: Case) -> str | None:
        """Return the newest booking of a request, None without one."""
        town = self.ground.where.town()
        query = "SELECT id FROM bookings WHERE request_id = :id ORDER BY created_at DESC LIMIT 1"
        rows = await town.rows("requests", query, id=case.request)
        await town.close()
        return str(rows[0].id) if rows else None

    # time and failures

    async def pass_time(self, **span: float) -> None:
        """Let time pass: for events, and for timers that wait.

        No worker is paused meanwhile: it may have locked rows that are moved.
        """
        self.wake_workers(all_of_them=True)
        past, town = timedelta(**span), self.ground.where.town()
        for table, values in _SHIFTS.items():
            moved = text(f"UPDATE {table} SET {values}").bindparams(span=past)
            await town.services["requests"].database.execute(moved)
        await town.close()
        async with self.pool() as pool:
            await pool.execute(_WAITING, past)

    def kill_worker(self) -> None:
        """Kill a worker inside whatever it does, and start another one."""
        index = self.chance.randrange(len(self.workers))
        self.paused.pop(self.workers[index], None)
        os.kill(self.workers[index], signal.SIGKILL)
        os.waitpid(self.workers[index], 0)
        self.workers[index] = worker(self.ground.where, None, None)
        self.kills += 1

    def pause_worker(self) -> None:
        """Stop a worker for longer than its lease lasts."""
        pid = self.chance.choice(self.workers)
        if pid not in self.paused:
            os.kill(pid, signal.SIGSTOP)
            self.paused[pid] = time.monotonic() + 0.8

    def wake_workers(self, *, all_of_them: bool = False) -> None:
        """Let the workers continue whose pause is over, or all."""
        now = time.monotonic()
        for pid in [pid for pid, until in self.paused.items() if all_of_them or until < now]:
            del self.paused[pid]
            os.kill(pid, signal.SIGCONT)

    def kill_server(self) -> None:
        """Kill PostgreSQL, and start it again."""
        self.ground.restart()
        self.restarts += 1

    # the end

    async def rest(self) -> None:
        """Wait until no saga is due. Raises Stuck after PATIENCE."""
        until = time.monotonic() + PATIENCE
        async with self.pool() as pool:
            while await pool.fetchval(BUSY):
                self.wake_workers()
                await asyncio.sleep(0.02)
                if time.monotonic() > until:
                    raise Stuck(await self._stuck(pool))

    async def _stuck(self, pool: Any) -> str:
        """Return the state of the sagas that are due, and of the workers, as text."""
        lines = [f"workers {process_states(self.workers)}, paused {list(self.paused)}"]
        for row in await pool.fetch(_STUCK):
            steps = await pool.fetch(
                "SELECT step_number, name, status, attempts, error_message FROM saga_steps WHERE saga_id = $1"
                " ORDER BY step_number",
                row["id"],
            )
            lines += [str(dict(row)), *(f"    {dict(step)}" for step in steps)]
        return "\n".join(lines)

    async def finish(self) -> list[str]:
        """Let everything come to its end: decide all objections, pass the time of all timers. Return the
        faults.
        """
        await self.rest()
        await self.pass_time(days=60)
        await self.rest()
        for number in range(len(self.cases)):
            await self.decide(number, 40)
        await self.rest()
        await self.pass_time(days=60)
        await self.rest()
        await self.settle_failed()
        town = self.ground.where.town()
        try:
            return await faults_of(town, self.cases)
        finally:
            await town.close()

    async def settle_failed(self) -> None:
        """Have an operator skip what cannot be undone, because an operator wanted too much."""
        async with self.pool() as pool:
            while rows := await pool.fetch(_FAILED):
                for row in rows:
                    await PostgresJournal(pool).operate(row["id"], "skip", "operator", "to see")
                await self.rest()

    def stop(self) -> None:
        """Kill the workers."""
        for pid in self.workers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.workers.clear()

    def pool(self) -> Any:
        """Return a connection pool to the journal, as a context manager."""
        return asyncpg.create_pool(self.ground.where.journal, min_size=1, max_size=2, timeout=10)


def process_states(pids: Sequence[int]) -> dict[int, str]:
    """Return the states of processes as Linux has them, such as S or Z; "gone" for one that does not
    exist.
    """
    stats = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return {pid: stat.read_text().split()[2] if stat.exists() else "gone" for pid, stat in stats.items()}


def without_refund(town: Town) -> None:
    """Remove the refund from the saga of cancellation, to see that the machine finds it."""
    town.sagas = [
        replace(saga, steps=tuple(step for step in saga.steps if step.name != "refund"))
        if saga.type == CANCELLATION
        else saga
        for saga in town.sagas
    ]
