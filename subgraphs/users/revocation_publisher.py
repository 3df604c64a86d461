"""Publishes revocations of tokens: from the table `token_revocations` to the keys in Redis that services and
gateways read.

A change that ends a session writes its revocations in its own transaction, so that none is lost while Redis
is down. When Redis was restarted, all revocations that are still needed are published again, because it may
have lost them.
"""

import asyncio
from typing import Final

import structlog
from redis.asyncio import Redis

from gateway.security.revocation import Revocation, revoke
from subgraphs.kit.clock import wait
from subgraphs.kit.database import Database
from subgraphs.kit.queue.streams import run_id
from subgraphs.kit.revocation import PREFIX
from subgraphs.kit.tasks import Background
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.users import session_store
from subgraphs.users.session_store import REVOCATIONS_LAST

log = structlog.get_logger("subgraphs.revocation")

EVERY_SECONDS: Final = 0.5
CHECK_SECONDS: Final = 5.0
"""How often the publisher checks whether Redis was restarted."""
PATIENCE_SECONDS: Final = 1.0
_BATCH: Final = 100


class RevocationPublisher(Background):
    """The background task; a mutation that revokes tokens waits in `publish_now`."""

    task_name = "publisher of revocations"

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis
        self._clock = database.clock
        self._wake = asyncio.Event()
        self._published = asyncio.Condition()
        self._started = self._finished = 0  # numbers of rounds
        self._is_failing = False
        self._run_id = ""
        self._checked_at = -CHECK_SECONDS

    async def publish_now(self) -> None:
        """Publish what is waiting, and return when it is published, at the latest after PATIENCE_SECONDS."""
        async with self._published:
            # a round that has started may have read the table too early
            target = self._started + 1
            self._wake.set()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._published.wait_for(lambda: self._finished >= target)
            except TimeoutError:
                log.warning("revocations are not published yet; retrying")

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            self._started += 1
            try:
                await self._check_server()
                while await self._publish() == _BATCH:
                    pass
                self._is_failing = False
                async with self._published:
                    self._finished = self._started
                    self._published.notify_all()
            except Exception as error:
                if not self._is_failing:  # once per outage
                    log.warning("revocations cannot be published; retrying", reason=type(error).__name__)
                self._is_failing = True
            await wait(self._clock, self._wake, EVERY_SECONDS)

    async def _check_server(self) -> None:
        """Publish everything again if the server is another process than before, which may have lost it."""
        if self._clock.monotonic() - self._checked_at < CHECK_SECONDS:
            return
        current = await run_id(self._redis)
        if current != self._run_id:
            async with UnitOfWork(self._database) as uow:
                await session_store.publish_again(uow)
        self._run_id, self._checked_at = current, self._clock.monotonic()

    async def _publish(self) -> int:
        """Publish up to _BATCH revocations; return how many. If that fails, the next call repeats it."""
        async with UnitOfWork(self._database) as uow:
            rows = await session_store.unpublished(uow, _BATCH)
            for row in rows:
                subject = str(row.user_id) if row.user_id is not None else None
                revocation = Revocation(row.token_id, subject, row.before.timestamp())
                await revoke(self._redis, revocation, PREFIX, int(REVOCATIONS_LAST.total_seconds()))
            if rows:
                await session_store.mark_published(uow, [row.id for row in rows])
        return len(rows)
