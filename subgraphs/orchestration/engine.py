"""The saga engine as a part of the service: the journal of sagas in PostgreSQL, and a worker that
executes them.

The engine itself is `gateway/saga`.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from gateway.core.errors import SagaError
from gateway.saga.definition import Definitions, Saga
from gateway.saga.journal import SagaRequest, SagaView, wait_until_settled
from gateway.saga.machine import Verb
from gateway.saga.operators import operate
from gateway.saga.postgres import CHANNEL
from gateway.saga.runner import Runner, RunnerSettings
from subgraphs.kit.errors import BadUserInput, Conflict, DomainError, IdempotencyKeyReused, NotFound
from subgraphs.orchestration.journal import PublishedJournal

MAX_WAIT = 20.0  # the longest time that a mutation waits for the end of its saga, in seconds


class SagaEngine:
    """Starts, executes and queries sagas; its worker executes them between `start` and `stop`."""

    def __init__(self, database_url: str, sagas: Sequence[Saga], pace: RunnerSettings | None = None) -> None:
        self.url = database_url
        self.definitions = Definitions.of(sagas)
        self.pace = pace or RunnerSettings()
        self.journal = PublishedJournal(database_url)
        self._runner: Runner | None = None
        self._listener: asyncpg.Connection | None = None

    async def start(self) -> None:
        """Open the journal and start the worker; PostgreSQL's notifications wake it."""
        await self.journal.open()
        runner = self._runner = Runner(self.journal, self.definitions, self.pace)
        await runner.start()
        self._listener = await asyncpg.connect(self.url, timeout=5)
        await self._listener.add_listener(CHANNEL, lambda *_: runner.wake())

    async def stop(self) -> None:
        """Stop the worker, release the leases of its sagas, and close the journal."""
        if self._listener is not None:
            await self._listener.close(timeout=2)
        if self._runner is not None:
            await self._runner.stop()
        await self.journal.close()

    async def begin(self, saga_type: str, key: str, data: Mapping[str, Any], by: str, wait: bool) -> SagaView:
        """Start a saga with the input `data`, or find the saga that was started with this key;
        return its state.

        `key`: the idempotency key; `by`: the user's id; `wait`: whether to wait until the saga has ended, at
        most MAX_WAIT. Raises NotFound for an unknown type, Conflict if the key was used with another input,
        and BadUserInput.
        """
        try:
            saga = self.definitions.newest(saga_type)
            saga_id, _ = await self.journal.start(SagaRequest(saga, key, data, by, key))
        except SagaError as error:
            raise as_domain_error(error) from error
        return await self.view(saga_id, MAX_WAIT if wait else 0)

    async def start_once(self, saga_type: str, key: str, data: Mapping[str, Any], by: str) -> None:
        """Start a saga that follows from an event, unless there is one with this key."""
        await self.journal.start(SagaRequest(self.definitions.newest(saga_type), key, data, by, key))

    async def view(self, saga_id: UUID, wait: float = 0) -> SagaView:
        """Return a saga's state, after waiting at most `wait` seconds for its end. Raises NotFound.

        A saga that needs an operator counts as ended.
        """
        view = await wait_until_settled(self.journal, saga_id, wait)
        if view is None:
            raise NotFound(f"There is no saga with the id {saga_id}")
        return view

    async def operate(self, saga_id: UUID, verb: Verb, by: str, reason: str) -> SagaView:
        """Execute an operator's command (`verb`) on a saga; return its state.

        `by`: the operator's user id; `reason`: recorded with the command. Raises NotFound, Conflict if the
        saga's status or type does not allow the command, BadUserInput.
        """
        try:
            await operate(self.journal, self.definitions, saga_id, verb, by, reason)
        except SagaError as error:
            raise as_domain_error(error) from error
        return await self.view(saga_id)


def as_domain_error(error: SagaError) -> DomainError:
    """Return the error of the saga engine as an error for callers."""
    if error.code == "UNKNOWN_SAGA":
        return NotFound(error.message)
    if error.code == "IDEMPOTENCY_KEY_REUSED":
        return IdempotencyKeyReused(error.message)
    if error.code in ("SAGA_STATE", "FORWARD_ONLY"):
        return Conflict(error.message, reason=error.code)
    return BadUserInput(error.message)
