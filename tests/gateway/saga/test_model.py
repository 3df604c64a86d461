"""The engine against a model.

Workers that die at any write, stale ones that wake up, time, failures and operators, in any order.

Services are a model of what `kit.idempotency` does. Whatever happens: an effect never holds twice, and in the
end all of a saga's effects hold, or none.
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
    """The process is gone."""


class Mortal(MemoryJournal):
    """A journal whose process dies at a write: before it or after it."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_in: int | None = None
        self.before = True

    async def write(self, record: SagaRecord, change: SagaChange) -> None:
        """See Journal."""
        dies = self.dies_in == 0
        if self.dies_in is not None:
            self.dies_in -= 1
        if dies and self.before:
            raise Died
        await super().write(record, change)
        if dies:
            raise Died


class Services:
    """What the services remember of each step, and which effects hold."""

    def __init__(self) -> None:
        self.states: dict[tuple[UUID, str], str] = {}
        self.tokens: dict[tuple[UUID, str], int] = {}
        self.held: dict[tuple[UUID, str], int] = {}
        self.problems: list[Any] = []

    async def call(self, call: StepCall) -> Any:
        """A step, done or undone; the next planned problem comes before it or, as a lost answer, after it."""
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
        """The effect, with its row of memory."""
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
    """Anything may happen at any time."""

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
        """Let a worker carry a saga on, until it rests, loses it or dies."""
        worker = Runner(self.journal, self.definitions, RunnerSettings(lease=LEASE), chance=lambda: 1.0)
        try:
            asyncio.run(worker.run_saga(record))
            asyncio.run(self.journal.release(record))
        except (Died, LostLease):
            self.stale.append(record)

    def claim(self) -> list[SagaRecord]:
        """What is due."""
        return list(asyncio.run(self.journal.claim("w", [("s", 1)], LEASE, 2)))

    @rule(key=st.integers(0, 5))
    def start(self, key: int) -> None:
        """A saga; the same key is the same saga."""
        request = SagaRequest(self.definitions.newest("s"), f"k{key}", {"key": key})
        first, _ = asyncio.run(self.journal.start(request))
        assert asyncio.run(self.journal.start(request)) == (first, False)

    @rule(problems=st.lists(st.sampled_from([None, "refused", "fails", "lost"]), max_size=6))
    def plan(self, problems: list[Any]) -> None:
        """What will go wrong next."""
        self.services.problems = problems

    @rule(dies_in=st.none() | st.integers(0, 8), before=st.booleans())
    def work(self, dies_in: int | None, before: bool) -> None:
        """A worker takes over what is due; it may die at a write."""
        self.journal.dies_in, self.journal.before = dies_in, before
        for record in self.claim():
            self.carry(record)
        self.journal.dies_in = None

    @precondition(lambda self: self.stale)
    @rule(which=st.integers(0, 20))
    def wake_up(self, which: int) -> None:
        """Somebody who was thought dead goes on where they were, after another has taken over."""
        record = self.stale.pop(which % len(self.stale))
        if self.journal.rows[record.id].record.token != record.token:
            self.carry(record)

    @rule(seconds=st.floats(0.1, 15.0))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.journal.now += seconds

    @precondition(lambda self: self.journal.rows)
    @rule(which=st.integers(0, 20), verb=st.sampled_from(sorted(VERBS)))
    def operate(self, which: int, verb: Verb) -> None:
        """An operator says something; at the wrong time it is refused, and changes nothing."""
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
        """No effect holds twice."""
        assert all(held in (0, 1) for held in self.services.held.values())

    def teardown(self) -> None:
        """Left alone, every saga ends, with all of its effects or none (but for what an operator has
        skipped).
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
