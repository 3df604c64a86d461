"""The saga engine against a model: worker crashes at any write, stale workers, time, failures and operators,
in any order.

The services model `kit.idempotency`. In every case an effect is never applied twice, and in the end all of a
saga's effects are applied, or none.
"""

import asyncio
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.errors import SagaError
from gateway.saga.definition import Definitions, RetryPolicy, Saga, Step, StepCall, StepRefused
from gateway.saga.journal import LostLease, SagaChange, SagaRecord, SagaRequest
from gateway.saga.machine import ACTIVE, VERBS, Verb
from gateway.saga.memory import MemoryJournal
from gateway.saga.runner import Runner, RunnerSettings

NAMES = "abcd"
LEASE = 10.0


class Died(BaseException):
    """The process has crashed."""


class Mortal(MemoryJournal):
    """A journal whose process crashes before or after a write."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_in: int | None = None
        self.before = True

    async def write(self, record: SagaRecord, change: SagaChange) -> None:
        """Write, and crash."""
        dies = self.dies_in == 0
        if self.dies_in is not None:
            self.dies_in -= 1
        if dies and self.before:
            raise Died
        await super().write(record, change)
        if dies:
            raise Died


class Services:
    """The steps that the services have stored, and the applied effects."""

    def __init__(self) -> None:
        self.states: dict[tuple[UUID, str], str] = {}
        self.tokens: dict[tuple[UUID, str], int] = {}
        self.held: dict[tuple[UUID, str], int] = {}
        self.problems: list[Any] = []

    async def call(self, call: StepCall) -> Any:
        """Do or undo a step. The next planned failure comes before it, or after it as a lost reply."""
        problem = self.problems.pop(0) if self.problems else None
        if problem == "refused" and call.direction == "do" and (call.saga_id, call.step) not in self.states:
            raise StepRefused("no")
        if problem == "fails":
            raise RuntimeError
        self.take(call)
        if problem == "lost":
            raise TimeoutError
        return {"step": call.step}

    def take(self, call: StepCall) -> None:
        """Apply the effect, and store it."""
        key = (call.saga_id, call.step)
        if call.token < self.tokens.get(key, 0):
            raise LostLease
        self.tokens[key] = call.token
        state = self.states.get(key)
        if call.direction == "do":
            if state is None:
                self.states[key] = "done"
                self.held[key] = self.held.get(key, 0) + 1
            elif state != "done":
                raise StepRefused("it was undone")
        elif state == "done":
            self.states[key] = "undone"
            self.held[key] -= 1
        elif state is None:
            self.states[key] = "tombstone"


class EngineMachine(RuleBasedStateMachine):
    """The events that can happen at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.journal, self.services = Mortal(), Services()
        retry = RetryPolicy(attempts=3, first=1.0)
        steps = [
            Step(name, self.services.call, self.services.call, retry=retry, undo_retry=retry)
            for name in NAMES
        ]
        self.definitions = Definitions.of([Saga("s", tuple(steps), deadline=1_000.0)])
        self.stale: list[SagaRecord] = []
        self.skipped: set[UUID] = set()

    def carry(self, record: SagaRecord) -> None:
        """Let a worker run a saga until it settles, the lease is lost or the worker crashes."""
        worker = Runner(self.journal, self.definitions, RunnerSettings(lease=LEASE), chance=lambda: 1.0)
        try:
            asyncio.run(worker.run_saga(record))
            asyncio.run(self.journal.release(record))
        except (Died, LostLease):
            self.stale.append(record)

    def claim(self) -> list[SagaRecord]:
        """Lease the due sagas."""
        return list(asyncio.run(self.journal.claim("w", [("s", 1)], LEASE, 2)))

    @rule(key=st.integers(0, 5))
    def start(self, key: int) -> None:
        """Start a saga; the same key means the same saga."""
        request = SagaRequest(self.definitions.newest("s"), f"k{key}", {"key": key})
        first, _ = asyncio.run(self.journal.start(request))
        assert asyncio.run(self.journal.start(request)) == (first, False)

    @rule(problems=st.lists(st.sampled_from([None, "refused", "fails", "lost"]), max_size=6))
    def plan(self, problems: list[Any]) -> None:
        """Plan the next failure."""
        self.services.problems = problems

    @rule(dies_in=st.none() | st.integers(0, 8), before=st.booleans())
    def work(self, dies_in: int | None, before: bool) -> None:
        """Let a worker lease and run the due sagas; it may crash at a write."""
        self.journal.dies_in, self.journal.before = dies_in, before
        for record in self.claim():
            self.carry(record)
        self.journal.dies_in = None

    @precondition(lambda self: self.stale)
    @rule(which=st.integers(0, 20))
    def wake_up(self, which: int) -> None:
        """Let a stale worker continue, after another one has leased its saga."""
        record = self.stale.pop(which % len(self.stale))
        if self.journal.rows[record.id].record.token != record.token:
            self.carry(record)

    @rule(seconds=st.floats(0.1, 15.0))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.journal.now += seconds

    @precondition(lambda self: self.journal.rows)
    @rule(which=st.integers(0, 20), verb=st.sampled_from(sorted(VERBS)))
    def operate(self, which: int, verb: Verb) -> None:
        """Apply an operation; one that the status does not allow is refused and changes nothing."""
        saga_id = sorted(self.journal.rows, key=str)[which % len(self.journal.rows)]
        before = self.journal.rows[saga_id].record.state
        try:
            asyncio.run(self.journal.operate(saga_id, verb, "admin", "because"))
        except SagaError:
            assert self.journal.rows[saga_id].record.state == before
            return
        if verb == "skip":
            self.skipped.add(saga_id)

    @invariant()
    def never_twice(self) -> None:
        """No effect is applied twice."""
        assert all(held in (0, 1) for held in self.services.held.values())

    def teardown(self) -> None:
        """Without further failures every saga ends, with all of its effects or none (except for skipped
        steps).
        """
        self.services.problems = []
        for _ in range(200):
            self.journal.now += LEASE + 5.0
            for record in self.claim():
                self.carry(record)
            for saga_id, row in self.journal.rows.items():
                if row.record.state.status == "compensation_failed":
                    asyncio.run(self.journal.operate(saga_id, "retry", "admin", "again"))
            if all(row.record.state.status not in ACTIVE for row in self.journal.rows.values()):
                break
        for saga_id, row in self.journal.rows.items():
            status = row.record.state.status
            assert status not in ACTIVE, f"{status} for ever"
            held = [self.services.held.get((saga_id, name), 0) for name in NAMES]
            if saga_id not in self.skipped:
                assert held == ([1] * len(NAMES) if status == "completed" else [0] * len(NAMES)), (
                    status,
                    held,
                )


TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(
    max_examples=120,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
