"""The part of a service that reads events from the queue and writes a sink's documents to its target.

A sink is a consumer of its own, with its own positions, leases, failures and confirmations, so that an
unavailable target delays nothing else in the service.
"""

import asyncio
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import structlog
from redis.asyncio import Redis

from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.failures import RetryPolicy
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.lag import seconds_waiting
from subgraphs.kit.sinks import generations
from subgraphs.kit.sinks.sink import Sink
from subgraphs.kit.sinks.target import Write
from subgraphs.kit.tasks import cancel
from subgraphs.kit.unit_of_work import UnitOfWork

log = structlog.get_logger("subgraphs.sinks")

MAX_PAUSE = 5.0  # seconds between two attempts to reach a target that is unavailable


class SinkConsumer:
    """Reads the events of a sink's sources and writes the documents that follow from them to its target.

    A write must not last longer than `lease_seconds`: the database then ends the transaction, and the
    documents are written again.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        service: str,
        sink: Sink,
        *,
        retry_policy: RetryPolicy | None = None,
        lease_seconds: float = 10.0,
    ) -> None:
        self.name = f"{service}.{sink.name}"
        """The name under which the sink consumes events: "search.index" for the sink `index` of `search`."""
        self.sink = sink
        self.database = database
        self._redis = redis
        handlers = dict.fromkeys(sink.translations, self.apply)
        self._inbox = Inbox(
            database,
            redis,
            self.name,
            sink.sources,
            handlers,
            retry_policy=retry_policy,
            lease_seconds=lease_seconds,
        )
        self._writes: WeakKeyDictionary[UnitOfWork, list[Write]] = WeakKeyDictionary()
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to prepare the target and to consume, in the background: the target may be
        unavailable now.
        """
        self._opening = asyncio.create_task(self._open(), name=f"sink {self.name}")
        await self._inbox.start()

    async def stop(self) -> None:
        """Stop consuming.

        Another process leases the partitions and repeats writes that were not committed.
        """
        if self._opening is not None:
            await cancel(self._opening)
        await self._inbox.stop()

    async def lag(self) -> float:
        """Return the age in seconds of the oldest event that is not yet in the target; 0.0 if all are.

        Raises the errors of the connections to database and queue.
        """
        return await seconds_waiting(self.database, self._redis, self.name, self.sink.sources)

    async def settle(self) -> None:
        """Create, serve and delete generations in the target as the table of generations demands.

        See `generations.settle`. Raises TargetUnavailable.
        """
        async with UnitOfWork(self.database) as uow:
            await generations.settle(uow, self.sink.name, self.sink.target)

    async def _open(self) -> None:
        """Create the first generation before the first event, so that readers find an empty one."""
        pause = 0.1
        while True:
            try:
                return await self.settle()
            except Exception as error:
                log.warning("the sink's target is unavailable; retrying", sink=self.name, reason=repr(error))
            await self.database.clock.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)

    async def apply(self, uow: UnitOfWork, envelope: Envelope) -> None:
        """Add an event's documents to those that are written just before the unit of work commits.

        So one write contains the documents of all events of a batch.
        """
        writes = await self.sink.writes(uow, envelope)
        if uow not in self._writes:
            self._writes[uow] = []
            uow.before_commit(lambda: self._flush(uow))
        self._writes[uow].extend(writes)

    async def _flush(self, uow: UnitOfWork) -> None:
        writes: Sequence[Write] = self._writes.pop(uow)
        if not writes:
            return
        existing = await generations.existing(uow, self.sink.name)
        if not existing:
            await generations.settle(uow, self.sink.name, self.sink.target)
            existing = await generations.existing(uow, self.sink.name)
        for generation in existing:
            await self.sink.target.write(generation, writes)
