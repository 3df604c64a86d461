"""The relay carries events from the outbox to the queue, in order, at least once.

Each batch is one transaction: take the lock (so that a second process of the service does not publish the same), read,
XADD, mark. Whatever fails in between is published again; consumers know what they have had. When the queue's server was
restarted it may have lost its newest entries: the relay then compares the stream with the outbox and sends what is
missing.
"""

import asyncio
import contextlib
import time
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis
from sqlalchemy import delete, func, select, text

from subgraphs.kit import outbox
from subgraphs.kit.database import Database
from subgraphs.kit.streams import RETENTION_MS, entry_of, run_id, stream_of
from subgraphs.kit.tasks import end

log = structlog.get_logger("subgraphs.relay")

BATCH = 500
COMPARED = 5000
POLL_SECONDS = 2.0
CHORES_SECONDS = 3600.0
_LOCK = 0x6F7574626F78  # "outbox"
_OLD = text("now() - interval '7 days'")


class Relay:
    """Publishes the outbox of one service until it is stopped."""

    def __init__(self, database: Database, redis: Redis, service: str, poll_seconds: float = POLL_SECONDS) -> None:
        self._database = database
        self._redis = redis
        self._stream = stream_of(service)
        self._poll = poll_seconds
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listener: asyncpg.Connection | None = None
        self._run_id = ""
        self._chores_at = 0.0

    async def start(self) -> None:
        """Begin to publish in the background."""
        self._task = asyncio.create_task(self._run(), name=f"relay {self._stream}")

    async def stop(self) -> None:
        """End; what is left in the outbox waits for the next start."""
        if self._task is not None:
            await end(self._task)
        if self._listener is not None:
            await self._listener.close(timeout=2)

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._round()
                delay = 0.1
                await self._wait()
            except Exception as error:
                log.warning("events wait in the outbox", stream=self._stream, reason=repr(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, self._poll)

    async def _round(self) -> None:
        """Listen first and read afterwards, so that no event falls between the two."""
        if self._listener is None or self._listener.is_closed():
            self._listener = await self._database.listener()
            await self._listener.add_listener("outbox", lambda *_: self._wake.set())
        await self._compare_after_restart()
        while await self.publish_batch() == BATCH:
            pass
        if time.monotonic() > self._chores_at:
            await self._chores()
            self._chores_at = time.monotonic() + CHORES_SECONDS

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll):
                await self._wake.wait()
        self._wake.clear()

    async def publish_batch(self) -> int:
        """Publish the oldest waiting events; answer how many (0 also when another process is at it)."""
        async with self._database.engine.begin() as connection:
            if not (await connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK)))).scalar():
                return 0
            rows = await outbox.unpublished(connection, BATCH)
            if rows:
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for row in rows:
                        pipeline.xadd(self._stream, entry_of(row))
                    await pipeline.execute()
                await outbox.mark_published(connection, [row.id for row in rows])
            return len(rows)

    async def _compare_after_restart(self) -> None:
        """Under the lock, so that nothing is on its way between outbox and stream meanwhile."""
        current = await run_id(self._redis)
        if current != self._run_id:
            async with self._database.engine.begin() as connection:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                newest: Any = await self._redis.xrevrange(self._stream, count=COMPARED)
                present = [int(fields[b"position"]) for _, fields in newest if b"position" in fields]
                above = min(present) if len(present) == COMPARED else 0
                if lost := await outbox.publish_again(connection, above, present):
                    log.warning("the queue lost events, they are sent again", stream=self._stream, count=lost)
            self._run_id = current

    async def _chores(self) -> None:
        """Forget what is old: the stream and the outbox keep a week, the inbox a month."""
        await self._redis.xtrim(self._stream, minid=int(time.time() * 1000) - RETENTION_MS, approximate=True)
        await self._database.execute(delete(outbox.outbox).where(outbox.outbox.c.published_at < _OLD))
        await self._database.execute(text("DELETE FROM inbox WHERE processed_at < now() - interval '30 days'"))
