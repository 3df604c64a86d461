"""The relay carries events from the outbox to the queue, in order, at least once, until the consumers confirm
them.

Each batch is one transaction: take the lock (so that a second process of the service does not publish the
same), read, XADD, mark. Whatever fails in between is published again; consumers know what they have had. When
the queue's server was restarted it may have lost its newest entries, or all: the relay then compares the
streams with the outbox and sends what is missing, before anything else: the script that publishes does
nothing on a server that was not compared.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis
from sqlalchemy import func, select

from subgraphs.kit import outbox
from subgraphs.kit.clock import wait
from subgraphs.kit.database import Database
from subgraphs.kit.queue import deliveries
from subgraphs.kit.queue.cursors import SharedReader
from subgraphs.kit.queue.streams import (
    RETENTION_MS,
    confirmations_of,
    entry_of,
    partition_of,
    run_id,
    streams_of,
)
from subgraphs.kit.tasks import cancel

log = structlog.get_logger("subgraphs.relay")

BATCH = 500
COMPARED = 1000  # entries of each partition
POLL_SECONDS = 2.0
CHORES_SECONDS = 3600.0
CONFIRM_SECONDS = 30.0
_LOCK = 0x6F7574626F78  # "outbox"
_PUBLISH = """
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[1] then return 0 end
local width = tonumber(ARGV[2])
for at = 3, #ARGV, width + 1 do
    redis.call('XADD', KEYS[tonumber(ARGV[at])], '*', unpack(ARGV, at + 1, at + width))
end
return 1
"""


class ServerRestarted(Exception):
    """The queue's server is another than the one that was compared with the outbox."""


class Relay:
    """Publishes the outbox of one service until it is stopped.

    What is not confirmed for `confirm_seconds` is published again.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        service: str,
        poll_seconds: float = POLL_SECONDS,
        confirm_seconds: float = CONFIRM_SECONDS,
    ) -> None:
        self._database = database
        self._clock = database.clock
        self._redis = redis
        self._service = service
        self._streams = streams_of(service)
        self._poll = poll_seconds
        self._confirm = confirm_seconds
        self._confirmations = SharedReader(database, redis, "relay", [confirmations_of(service)])
        self._publish = redis.register_script(_PUBLISH)
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._listener: asyncpg.Connection | None = None
        self._run_id = ""
        self._cleanup_due = -math.inf

    async def start(self) -> None:
        """Begin to publish, and to listen to the consumers, in the background."""
        loops = (self._publish_all, self._read_confirmations)
        self._tasks = [
            asyncio.create_task(self._run_forever(loop), name=f"relay {self._service}") for loop in loops
        ]

    async def stop(self) -> None:
        """End; what is left in the outbox waits for the next start."""
        while self._tasks:
            await cancel(self._tasks.pop())
        if self._listener is not None:
            await self._listener.close(timeout=2)

    async def _run_forever(self, work: Callable[[], Awaitable[None]]) -> None:
        delay = 0.1
        while True:
            try:
                await work()
                delay = 0.1
            except Exception as error:
                log.warning("events wait in the outbox", service=self._service, reason=repr(error))
                await self._clock.sleep(delay)
                delay = min(delay * 2, self._poll)

    async def _publish_all(self) -> None:
        """Listen first and read afterwards, so that no event falls between the two."""
        if self._listener is None or self._listener.is_closed():
            self._listener = await self._database.listener()
            await self._listener.add_listener("outbox", lambda *_: self._wake.set())
        await self._compare_after_restart()
        while await self.publish_batch() == BATCH:
            pass
        if self._clock.monotonic() > self._cleanup_due:
            await self._delete_old()
            self._cleanup_due = self._clock.monotonic() + CHORES_SECONDS
        await wait(self._clock, self._wake, self._poll)
        self._wake.clear()

    async def publish_batch(self) -> int:
        """Publish the oldest waiting events; answer how many (0 also when another process is at it)."""
        async with self._database.engine.begin() as connection:
            if not (await connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK)))).scalar():
                return 0
            rows = await outbox.unpublished(connection, BATCH)
            if rows:
                if not await self._publish(keys=self._streams, args=self._arguments(rows)):
                    raise ServerRestarted(self._service)
                await outbox.mark_published(
                    connection, [row.id for row in rows], deliveries.check_interval(self._confirm)
                )
            return len(rows)

    def _arguments(self, rows: Any) -> list[Any]:
        arguments: list[Any] = []
        for row in rows:
            fields = [part for item in entry_of(row).items() for part in item]
            arguments += [partition_of(row.aggregate_id) + 1, *fields]
        return [self._run_id, len(fields), *arguments]

    async def _compare_after_restart(self) -> None:
        """Under the lock, so that nothing is on its way between outbox and streams meanwhile."""
        current = await run_id(self._redis)
        if current != self._run_id:
            async with self._database.engine.begin() as connection:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                present, above = await self._published_positions()
                if lost := await outbox.publish_again(connection, above, present):
                    log.warning(
                        "the queue lost events, they are sent again", service=self._service, count=lost
                    )
            self._run_id = current

    async def _published_positions(self) -> tuple[set[int], int]:
        """The positions of the streams' newest entries, and the one above which these are all."""
        present: set[int] = set()
        above = 0
        for stream in self._streams:
            newest: Any = await self._redis.xrevrange(stream, count=COMPARED)
            found = [int(fields[b"position"]) for _, fields in newest if b"position" in fields]
            present.update(found)
            if len(newest) == COMPARED and found:
                above = max(above, min(found))
        return present, above

    async def _read_confirmations(self) -> None:
        """Hear what consumers confirm, and publish again what they don't."""
        await self._confirmations.open()
        look = self._confirm / 3
        due = self._clock.monotonic() + look
        while True:
            if await self._confirmations.wait_for_entries(min(look, 1.0)):
                await self._confirmations.handle_new(deliveries.record_entries, BATCH)
            if self._clock.monotonic() > due:
                if again := await deliveries.republish(self._database, self._confirm):
                    log.warning(
                        "events not confirmed, they are sent again", service=self._service, count=again
                    )
                    self._wake.set()
                due = self._clock.monotonic() + look

    async def _delete_old(self) -> None:
        """Forget what is old: the streams keep a week, the tables what `deliveries` says."""
        for stream in self._streams:
            await self._redis.xtrim(
                stream, minid=int(self._clock.now().timestamp() * 1000) - RETENTION_MS, approximate=True
            )
        await deliveries.delete_old(self._database)
