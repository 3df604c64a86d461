"""A world whose steps succeed, fail or wait as a test says, and functions that run sagas over it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from gateway.saga.definition import Definitions, RetryPolicy, Saga, Step, StepCall
from gateway.saga.journal import SagaRequest, SagaView
from gateway.saga.machine import ACTIVE
from gateway.saga.postgres import PostgresJournal
from gateway.saga.runner import Runner, RunnerSettings

FAST = RetryPolicy(attempts=3, first=0.001, longest=0.001)
PACE = RunnerSettings(lease=5.0, poll=0.02)


class World:
    """The actions of the steps a, b and c: records each call, and fails as set.

    `effects`: those that are applied.
    """

    def __init__(self) -> None:
        self.calls: list[StepCall] = []
        self.effects: list[str] = []
        self.failing: dict[str, list[Any]] = {}
        self.hold: dict[str, asyncio.Event] = {}

    def action(self, name: str, direction: str) -> Callable[[StepCall], Awaitable[Any]]:
        """Return the action of a step in a direction."""

        async def act(call: StepCall) -> Any:
            self.calls.append(call)
            if f"{direction}:{name}" in self.hold:
                await self.hold[f"{direction}:{name}"].wait()
            planned = self.failing.get(f"{direction}:{name}", [])
            if planned and (problem := planned.pop(0)) is not None:
                raise problem
            if direction == "do":
                self.effects.append(name)
            elif name in self.effects:  # it may not have happened
                self.effects.remove(name)
            return {"of": name, "attempt": call.attempt}

        return act

    def saga(self, names: str = "abc", **settings: Any) -> Saga:
        """Return a saga with one step for each letter."""
        given: dict[str, Any] = {
            "timeout": 2.0,
            "retry": FAST,
            "undo_retry": FAST,
            **settings.pop("step", {}),
        }
        steps = [Step(one, self.action(one, "do"), self.action(one, "undo"), **given) for one in names]
        return Saga(settings.pop("type", f"s-{uuid4().hex[:8]}"), tuple(steps), **settings)


async def seen(journal: PostgresJournal, saga_id: UUID) -> SagaView:
    """Return a saga, which must exist."""
    found = await journal.view(saga_id)
    assert found is not None
    return found


async def run_to_rest(journal: PostgresJournal, saga: Saga, saga_id: UUID) -> SagaView:
    """Let a worker run sagas of a type until this one settles."""
    worker = Runner(journal, Definitions.of([saga]), PACE, owner="w0")
    await worker.start()
    try:
        async with asyncio.timeout(20):
            while (found := await seen(journal, saga_id)).status in ACTIVE:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
    finally:
        await worker.stop()
    return found


async def begin(journal: PostgresJournal, saga: Saga, data: Mapping[str, Any] | None = None) -> UUID:
    """Start a saga with a new key."""
    return (
        await journal.start(SagaRequest(saga, uuid4().hex, data or {"n": 1}, by="kim", correlation_id="c1"))
    )[0]
