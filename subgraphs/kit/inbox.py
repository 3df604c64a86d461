"""The inbox hands the events of other services to this one's handlers: at least once on the wire, once in the
database.

Consumers of one service share a consumer group, so each event goes to one of its processes. The handler and the row
that remembers the event are one transaction. A batch is tried as one transaction first; only if that fails, event by
event. An event whose handler fails stays pending and is claimed again later; after `max_deliveries` it goes to the dead
stream. A database that is away is nobody's fault: the consumer waits for it and counts no delivery.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from subgraphs.kit.cause import Cause, because
from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope
from subgraphs.kit.streams import dead_stream_of, envelope_of, stream_of
from subgraphs.kit.tasks import end
from subgraphs.kit.unit_of_work import UnitOfWork

log = structlog.get_logger("subgraphs.inbox")

EventHandler = Callable[[UnitOfWork, Envelope], Awaitable[None]]
Fields = Mapping[bytes, bytes]

BATCH = 100
EVERY = "*"  # in place of an event's type: whatever has no handler of its own
_REMEMBER = text("INSERT INTO inbox (consumer, event_id) VALUES (:consumer, :event_id) ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True)
class _Entry:
    stream: bytes
    id: bytes
    fields: Fields

    @property
    def source(self) -> str:
        return self.stream.decode().removeprefix("events:")


class Inbox:
    """Consumes the streams of `sources` as `consumer` until it is stopped."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        consumer: str,
        sources: Sequence[str],
        handlers: Mapping[str, EventHandler],
        *,
        max_deliveries: int = 5,
        retry_seconds: float = 5.0,
    ) -> None:
        self._database = database
        self._redis = redis
        self._consumer = consumer
        self._streams = [stream_of(source) for source in sources]
        self._handlers = handlers
        self._max_deliveries = max_deliveries
        self._retry_seconds = retry_seconds
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to consume in the background."""
        self._task = asyncio.create_task(self._run(), name=f"inbox {self._consumer}")

    async def stop(self) -> None:
        """End; what was not acknowledged is delivered again after the next start."""
        if self._task is not None:
            await end(self._task)

    async def _run(self) -> None:
        delay = 0.1
        clock = asyncio.get_running_loop().time
        while True:
            try:
                await self._create_groups()
                retry_at = 0.0
                while True:
                    if clock() >= retry_at:
                        await self._claim()
                        retry_at = clock() + self._retry_seconds
                    await self._read()
                    delay = 0.1
            except Exception as error:
                log.warning("events wait in the queue", consumer=self._consumer, reason=repr(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def _create_groups(self) -> None:
        for stream in self._streams:
            try:
                await self._redis.xgroup_create(stream, self._consumer, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def _read(self) -> None:
        wanted: dict[Any, Any] = dict.fromkeys(self._streams, ">")
        block = int(min(self._retry_seconds, 2.0) * 1000)
        found: Any = await self._redis.xreadgroup(self._consumer, self._name, wanted, count=BATCH, block=block)
        for stream, entries in found or []:
            await self._process([_Entry(stream, entry_id, fields) for entry_id, fields in entries])

    async def _claim(self) -> None:
        """Take over what was delivered and not acknowledged: our own failures, and those of a process that died."""
        idle = int(self._retry_seconds * 1000)
        for stream in self._streams:
            cursor: Any = b"0-0"
            while True:
                claimed: Any = await self._redis.xautoclaim(stream, self._consumer, self._name, idle, cursor, BATCH)
                cursor, entries = claimed[:2]
                for entry_id, fields in entries:
                    await self._retry(_Entry(stream.encode(), entry_id, fields))
                if cursor == b"0-0":
                    break

    async def _retry(self, entry: _Entry) -> None:
        if not (error := await self._attempt(entry)):
            await self._acknowledge([entry])
            return
        pending: Any = await self._redis.xpending_range(entry.stream, self._consumer, entry.id, entry.id, 1)
        if pending and pending[0]["times_delivered"] >= self._max_deliveries:
            await self._bury(entry, error, pending[0]["times_delivered"])

    async def _bury(self, entry: _Entry, error: Exception, deliveries: int) -> None:
        """Keep the event where a person finds it, with the reason, and go on without it."""
        reason: dict[Any, Any] = {
            **entry.fields,
            "stream": entry.stream,
            "entry": entry.id,
            "error": type(error).__name__,
            "deliveries": deliveries,
        }
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(dead_stream_of(self._consumer), reason)
            pipeline.xack(entry.stream, self._consumer, entry.id)
            await pipeline.execute()
        log.error("event given up", consumer=self._consumer, entry=entry.id.decode(), reason=repr(error))

    async def _process(self, entries: Sequence[_Entry]) -> None:
        if await self._handle(entries) is None:
            await self._acknowledge(entries)
            return
        for entry in entries:
            if (error := await self._attempt(entry)) is None:
                await self._acknowledge([entry])
            else:
                log.warning("event failed, it will be tried again", entry=entry.id.decode(), reason=repr(error))

    async def _acknowledge(self, entries: Sequence[_Entry]) -> None:
        await self._redis.xack(entries[0].stream, self._consumer, *[entry.id for entry in entries])

    async def _attempt(self, entry: _Entry) -> Exception | None:
        """Handle one event; wait as long as the database is away, answer what went wrong otherwise."""
        delay = 0.1
        while (error := await self._handle([entry])) and _is_outage(error):
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)
        return error

    async def _handle(self, entries: Sequence[_Entry]) -> Exception | None:
        try:
            async with UnitOfWork(self._database) as uow:
                await _connect(uow)
                for entry in entries:
                    envelope = envelope_of(entry.source, entry.fields)
                    handler = self._handlers.get(envelope.event_type) or self._handlers.get(EVERY)
                    if handler is not None and await self._is_new(uow, envelope):
                        with because(self._cause(envelope)):
                            await handler(uow, envelope)
        except RedisError:
            raise
        except Exception as error:
            return error
        return None

    def _cause(self, envelope: Envelope) -> Cause:
        together = envelope.correlation_id or str(envelope.event_id)
        return Cause(f"service:{self._consumer}", together, envelope.event_id)

    async def _is_new(self, uow: UnitOfWork, envelope: Envelope) -> bool:
        remember = _REMEMBER.bindparams(consumer=self._consumer, event_id=envelope.event_id)
        return await uow.execute(remember) == 1


class _NoConnection(Exception):
    """The database let nobody in, for whatever reason."""


async def _connect(uow: UnitOfWork) -> None:
    try:
        await uow.connection()
    except Exception as error:
        raise _NoConnection(repr(error)) from error


def _is_outage(error: Exception) -> bool:
    """Connection, deadlock, resources, shutdown: SQLSTATE classes 08, 40, 53 and 57, and a server that is gone."""
    state = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    if state and state[:2] in {"08", "40", "53", "57"}:
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, _NoConnection | OSError | InterfaceError | OperationalError)
