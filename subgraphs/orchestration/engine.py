"""The engine as a part of the service: the journal's connections, and a worker that carries sagas on."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from gateway.core.errors import SagaError
from gateway.saga.definition import Definitions, Saga
from gateway.saga.journal import Request, View, until_rest
from gateway.saga.machine import Verb
from gateway.saga.postgres import CHANNEL, PostgresJournal
from gateway.saga.runner import Pace, Runner
from subgraphs.kit.errors import BadUserInput, Conflict, DomainError, NotFound

LONGEST_WAIT = 20.0  # seconds


class SagaEngine:
    """Starts sagas, carries them on, and tells of them. It begins to work when it is started."""

    def __init__(self, database_url: str, sagas: Sequence[Saga], pace: Pace | None = None) -> None:
        self.url = database_url
        self.definitions = Definitions.of(sagas)
        self.pace = pace or Pace()
        self.journal = PostgresJournal(database_url)
        self._runner: Runner | None = None
        self._listener: asyncpg.Connection | None = None

    async def start(self) -> None:
        """See Part."""
        await self.journal.open()
        runner = self._runner = Runner(self.journal, self.definitions, self.pace)
        await runner.start()
        self._listener = await asyncpg.connect(self.url, timeout=5)
        await self._listener.add_listener(CHANNEL, lambda *_: runner.wake())

    async def stop(self) -> None:
        """See Part. Sagas under way are given back."""
        if self._listener is not None:
            await self._listener.close(timeout=2)
        if self._runner is not None:
            await self._runner.stop()
        await self.journal.close()

    async def begin(self, saga_type: str, key: str, data: Mapping[str, Any], by: str, wait: bool) -> View:
        """Start a saga, or find the one that the key has started.

        With `wait`, until it has ended or time is up.
        """
        try:
            saga = self.definitions.newest(saga_type)
            saga_id, _ = await self.journal.start(Request(saga, key, data, by, key))
        except SagaError as error:
            raise as_domain_error(error) from error
        return await self.view(saga_id, LONGEST_WAIT if wait else 0)

    async def view(self, saga_id: UUID, wait: float = 0) -> View:
        """A saga, when it rests or after so many seconds; NotFound."""
        found = await until_rest(self.journal, saga_id, wait)
        if found is None:
            raise NotFound("There is no such saga")
        return found

    async def operate(self, saga_id: UUID, verb: Verb, by: str, reason: str) -> View:
        """An operator's word."""
        try:
            await self.journal.operate(saga_id, verb, by, reason)
        except SagaError as error:
            raise as_domain_error(error) from error
        return await self.view(saga_id)


def as_domain_error(error: SagaError) -> DomainError:
    """What went wrong, as the service tells it."""
    if error.code == "UNKNOWN_SAGA":
        return NotFound(error.message)
    if error.code in ("SAGA_STATE", "IDEMPOTENCY_KEY_REUSED"):
        return Conflict(error.message, reason=error.code)
    return BadUserInput(error.message)
