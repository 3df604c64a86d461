"""Reads what all consumers confirm to all services, as one reader however many processes the service has."""

import math
from collections.abc import Sequence

import structlog
from redis.asyncio import Redis

from subgraphs.kit.database import Database
from subgraphs.kit.queue.confirmations import heard
from subgraphs.kit.queue.cursors import Entry, Tail
from subgraphs.kit.queue.streams import confirmations_of
from subgraphs.kit.tasks import Background
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync import keeping

log = structlog.get_logger("subgraphs.sync")

_BATCH = 500
_CHORES_SECONDS = 3600.0


class Listener(Background):
    """Keeps what was confirmed, until it is stopped.

    What `name` itself confirms is left out: it says nothing of others.
    """

    task_name = "sync listener"

    def __init__(self, database: Database, redis: Redis, name: str, sources: Sequence[str]) -> None:
        self._database = database
        self._name = name
        self._tail = Tail(
            database, redis, "sync-confirmations", [confirmations_of(source) for source in sources]
        )
        self._chores_at = -math.inf

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._tail.open()
                while True:
                    if await self._tail.wait(1.0):
                        await self._tail.take(self._keep, _BATCH)
                    delay = 0.1
                    if self._database.clock.monotonic() > self._chores_at:
                        await keeping.forget(self._database)
                        self._chores_at = self._database.clock.monotonic() + _CHORES_SECONDS
            except Exception as error:
                log.warning("confirmations wait in the queue", reason=repr(error))
                await self._database.clock.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def _keep(self, uow: UnitOfWork, entries: Sequence[Entry]) -> None:
        hellos, confirmations = heard(entry.fields for entry in entries)
        await keeping.greet(uow, [hello for hello in hellos if hello.consumer != self._name])
        await keeping.confirm(uow, [each for each in confirmations if each.consumer != self._name])
