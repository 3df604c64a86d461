"""A background task that reads the confirmations and subscriptions of all consumers from the queue.

`recording` stores them. The processes of the service share one stored position per stream.
"""

import math
from collections.abc import Sequence

import structlog
from redis.asyncio import Redis

from subgraphs.kit.database import Database
from subgraphs.kit.queue.confirmations import decode
from subgraphs.kit.queue.cursors import SharedReader, StreamEntry
from subgraphs.kit.queue.streams import confirmations_of
from subgraphs.kit.tasks import Background
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync import recording

log = structlog.get_logger("subgraphs.sync")

_BATCH = 500
_CLEANUP_SECONDS = 3600.0


class ConfirmationReader(Background):
    """The background task. Confirmations by the consumer `name`, the sync service itself, are ignored.

    `sources` are the services whose events are confirmed.
    """

    task_name = "confirmation reader"

    def __init__(self, database: Database, redis: Redis, name: str, sources: Sequence[str]) -> None:
        self._database = database
        self._name = name
        self._reader = SharedReader(
            database, redis, "sync-confirmations", [confirmations_of(source) for source in sources]
        )
        self._cleanup_due = -math.inf

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._reader.open()
                while True:
                    if await self._reader.wait_for_entries(1.0):
                        await self._reader.handle_new(self._record, _BATCH)
                    delay = 0.1
                    if self._database.clock.monotonic() > self._cleanup_due:
                        await recording.delete_old(self._database)
                        self._cleanup_due = self._database.clock.monotonic() + _CLEANUP_SECONDS
            except Exception as error:
                log.warning("confirmations could not be read, will retry", reason=repr(error))
                await self._database.clock.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def _record(self, uow: UnitOfWork, entries: Sequence[StreamEntry]) -> None:
        subscriptions, confirmations = decode(entry.fields for entry in entries)
        await recording.record_subscriptions(
            uow, [each for each in subscriptions if each.consumer != self._name]
        )
        await recording.record_confirmations(
            uow, [each for each in confirmations if each.consumer != self._name]
        )
