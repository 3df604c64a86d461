"""The relay publishes the events of the outbox to the queue, in order and at least once, until all consumers
have confirmed them.

Each batch is one transaction: acquire the lock (so that only one process of the service publishes), read the
rows, XADD, mark the rows as published. If a part of it fails, the batch is published again; consumers skip
events that they have applied. A restarted queue server may have lost its newest entries, or all: the relay
then compares the streams with the outbox and publishes the missing events first. The Lua script that
publishes compares the server's run id with the one that the relay has seen, and does nothing if they differ.

The script also adds the tags of the batch (`kit/cache_tags`) to the stream of invalidations, so that they are
published as surely as the events. Another server may have lost some, so all of the service's replies are
invalidated when the relay first sees it.

Example: positions 1 to 9 are published, and the server restarts with the entries of 1 to 7. The relay marks 8
and 9 as unpublished and publishes them before position 10.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis
from sqlalchemy import func, select

from gateway.cache.backplane import MESSAGES
from gateway.cache.keys import subgraph_tag
from subgraphs.kit import cache_tags, outbox
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
COMPARED_ENTRIES = 1000  # newest entries of each partition that are compared with the outbox
POLL_SECONDS = 2.0  # interval of polls for new rows, in case a notification is lost
CLEANUP_SECONDS = 3600.0  # interval at which old entries and rows are deleted
CONFIRM_SECONDS = 30.0  # the time that consumers have to confirm an event
_LOCK = 0x6F7574626F78  # "outbox"
_PUBLISH = """
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[1] then return 0 end
local width = tonumber(ARGV[2])
if ARGV[3] ~= '[]' then redis.call('XADD', KEYS[#KEYS], 'MAXLEN', '~', ARGV[4], '*', 'tags', ARGV[3]) end
for at = 5, #ARGV, width + 1 do
    redis.call('XADD', KEYS[tonumber(ARGV[at])], '*', unpack(ARGV, at + 1, at + width))
end
return 1
"""


class ServerRestarted(Exception):
    """The queue's server was restarted or replaced since its streams were compared with the outbox."""


class Relay:
    """Publishes the outbox of one service until it is stopped.

    It checks for new rows when PostgreSQL notifies it, and every `poll_seconds`. Events that are not
    confirmed within `confirm_seconds` are published again.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        service: str,
        poll_seconds: float = POLL_SECONDS,
        confirm_seconds: float = CONFIRM_SECONDS,
        invalidate: Callable[[Sequence[str]], object] = list,
    ) -> None:
        """`invalidate` receives the tags of a batch right before they are published, so that the service's
        own cache has dropped what other caches then ask for again.
        """
        self._database = database
        self._clock = database.clock
        self._redis = redis
        self._service = service
        self._streams = streams_of(service)
        self._poll = poll_seconds
        self._confirm = confirm_seconds
        self._confirmations = SharedReader(database, redis, "relay", [confirmations_of(service)])
        self._publish = redis.register_script(_PUBLISH)
        self._invalidate = invalidate
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._listener: asyncpg.Connection | None = None
        self._run_id = ""
        self._cleanup_due = -math.inf

    async def start(self) -> None:
        """Start to publish events and to read confirmations in the background."""
        loops = (self._publish_all, self._read_confirmations)
        self._tasks = [
            asyncio.create_task(self._run_forever(loop), name=f"relay {self._service}") for loop in loops
        ]

    async def stop(self) -> None:
        """Stop publishing; unpublished events stay in the outbox."""
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
                log.warning("relay failed; retrying", service=self._service, reason=repr(error))
                await self._clock.sleep(delay)
                delay = min(delay * 2, self._poll)

    async def _publish_all(self) -> None:
        """Publish all unpublished events, then wait for new ones.

        The listener for PostgreSQL's notifications is added before the rows are read, so that no row is
        missed.
        """
        if self._listener is None or self._listener.is_closed():
            self._listener = await self._database.listener()
            await self._listener.add_listener("outbox", lambda *_: self._wake.set())
        await self._compare_after_restart()
        while await self.publish_batch() == BATCH:
            pass
        if self._clock.monotonic() > self._cleanup_due:
            await self._delete_old()
            self._cleanup_due = self._clock.monotonic() + CLEANUP_SECONDS
        await wait(self._clock, self._wake, self._poll)
        self._wake.clear()

    async def publish_batch(self) -> int:
        """Publish the oldest BATCH unpublished events; return how many.

        Returns 0 also while another process of the service publishes. Raises ServerRestarted if the streams
        have to be compared with the outbox first.
        """
        async with self._database.engine.begin() as connection:
            if not (await connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK)))).scalar():
                return 0
            rows = await outbox.unpublished(connection, BATCH)
            if rows:
                keys = [*self._streams, cache_tags.STREAM]
                if not await self._publish(keys=keys, args=self._arguments(rows)):
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
        tags = cache_tags.tags_of_all((row.event_type, row.payload) for row in rows)
        self._invalidate(tags)
        return [self._run_id, len(fields), cache_tags.encoded(tags), MESSAGES, *arguments]

    async def _compare_after_restart(self) -> None:
        """If the server was restarted, mark the events that it has lost as unpublished.

        While the lock is held, no other process of the service publishes.
        """
        current = await run_id(self._redis)
        if current != self._run_id:
            async with self._database.engine.begin() as connection:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                present, above = await self._published_positions()
                if lost := await outbox.publish_again(connection, above, present):
                    log.warning(
                        "the queue lost events; publishing them again", service=self._service, count=lost
                    )
            everything = [subgraph_tag(self._service)]
            self._invalidate(everything)
            await cache_tags.publish(self._redis, everything)
            self._run_id = current

    async def _published_positions(self) -> tuple[set[int], int]:
        """Return the positions of events in the streams, and the position above which the set is complete.

        Only the newest COMPARED_ENTRIES of a stream are read. Example: if the oldest entry that was read of a
        full stream has position 300, the set has all published positions above 300, but not all below.
        """
        present: set[int] = set()
        above = 0
        for stream in self._streams:
            newest: Any = await self._redis.xrevrange(stream, count=COMPARED_ENTRIES)
            found = [int(fields[b"position"]) for _, fields in newest if b"position" in fields]
            present.update(found)
            if len(newest) == COMPARED_ENTRIES and found:
                above = max(above, min(found))
        return present, above

    async def _read_confirmations(self) -> None:
        """Store the confirmations of consumers, and mark events that were not confirmed in time as
        unpublished.
        """
        await self._confirmations.open()
        interval = self._confirm / 3
        due = self._clock.monotonic() + interval
        while True:
            if await self._confirmations.wait_for_entries(min(interval, 1.0)):
                await self._confirmations.handle_new(deliveries.record_entries, BATCH)
            if self._clock.monotonic() > due:
                if again := await deliveries.republish(self._database, self._confirm):
                    log.warning(
                        "events were not confirmed; publishing them again", service=self._service, count=again
                    )
                    self._wake.set()
                due = self._clock.monotonic() + interval

    async def _delete_old(self) -> None:
        """Delete stream entries older than a week, and the rows that `deliveries.delete_old` describes."""
        for stream in self._streams:
            await self._redis.xtrim(
                stream, minid=int(self._clock.now().timestamp() * 1000) - RETENTION_MS, approximate=True
            )
        await deliveries.delete_old(self._database)
