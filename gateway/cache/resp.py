"""A RESP2 client for asyncio: pipelines with one callback each, over hiredis' parser.

RedisConnection (one socket: pipelines, deadlines, limits) < `redis_server` (one server: connects on demand,
asks the breaker) < `redis_nodes` (which server).

A pipeline costs no future, no task and usually no timer: a connection has one timer, for the earliest
deadline, which replies do not cancel. When it fires, it is set again for the pipelines that came meanwhile.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SettingsError
from gateway.resilience.breaker import Breaker

if TYPE_CHECKING:
    import hiredis

MAX_PIPELINES = 1_024  # pending on one connection
MAX_PENDING = 16 * 2**20  # bytes of the pending pipelines of one connection
MAX_REPLY = 64 * 2**20  # bytes of one reply
MAX_ELEMENTS = 1_000_000  # of one reply
LAST_TURN = 0.001  # seconds: at a deadline, the event loop reads once more what has already arrived
CONNECT_TIMEOUT = 1.0  # seconds; the first pipelines do not wait for it, but later ones may use it

Command = Sequence[bytes]
Replies = list[Any]


class Reason(Enum):
    """Why a pipeline has no replies."""

    CONNECT = "no connection to Redis"
    AUTHENTICATION = "Redis refused the user, the password or the database"
    CLOSED = "the connection to Redis was closed"
    TIMEOUT = "Redis did not reply in time"
    REFUSED = "Redis has failed just now and is not asked"
    FULL = "too many commands wait for Redis"
    PROTOCOL = "Redis sent a reply that is not valid"


class RedisFailure(Exception):
    """A pipeline has no replies; the server may have executed its commands or not. `reason`: why."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


class RedisError(Exception):
    """An error reply of the server, as a value in a list of replies."""

    @property
    def code(self) -> str:
        """Return the first word of the error, such as OOM, READONLY or ERR."""
        return str(self).partition(" ")[0]


Done = Callable[[Replies | RedisFailure], object]


class _InvalidReply(Exception):
    """The server's bytes are not RESP, or too many."""


class _Heads(dict[int, bytes]):
    """What precedes an argument of a length, after the argument before it; long ones are not stored."""

    def __missing__(self, length: int) -> bytes:
        return b"\r\n$%d\r\n" % length


_HEADS = _Heads((length, b"\r\n$%d\r\n" % length) for length in range(4_096))
_MORE: Any = object()  # hiredis' answer when the reply is not complete


def encode(commands: Sequence[Command]) -> bytes:
    """Return commands as RESP arrays.

    Example: [(b"GET", b"a")] becomes b"*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\na\\r\\n". The table makes it twice as
    fast as hiredis.pack_command.
    """
    parts: list[bytes] = []
    append, heads = parts.append, _HEADS
    for command in commands:
        append(b"*%d" % len(command))
        for argument in command:
            append(heads[len(argument)])
            append(argument)
        append(b"\r\n")
    return b"".join(parts)


def new_reader() -> "hiredis.Reader":
    """Return a parser of replies. Raises SettingsError BAD_OPTION if the package is missing."""
    try:
        import hiredis  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        message = "Redis needs the package hiredis; install the extra: pip install 'mussikon[redis]'"
        raise SettingsError(message, "BAD_OPTION") from error
    return hiredis.Reader(protocolError=_InvalidReply, replyError=RedisError, notEnoughData=_MORE)


async def replies_of(send: Callable[[Done], object]) -> Replies:
    """Return the replies that `send` passes to its callback. Raises RedisFailure."""
    waiting: asyncio.Future[Replies] = asyncio.get_running_loop().create_future()
    send(partial(_settle, waiting))
    return await waiting


def _settle(waiting: "asyncio.Future[Replies]", result: Replies | RedisFailure) -> None:
    if waiting.done():
        return  # the caller was cancelled
    if isinstance(result, RedisFailure):
        waiting.set_exception(result)
    else:
        waiting.set_result(result)


class _Pipeline:
    """A pipeline whose replies are not complete. `deadline`: the clock's time; `data`: its bytes."""

    __slots__ = ("count", "data", "deadline", "done")

    def __init__(self, count: int, data: bytes, deadline: float, done: Done) -> None:
        self.count, self.data, self.deadline, self.done = count, data, deadline, done


class RedisConnection(asyncio.Protocol):
    """One connection: pipelines in flight, whose replies come in their order.

    Pipelines that are sent before the server has accepted `greeting` wait for that. `ended` is called when
    the connection has ended, before the pending pipelines fail. `is_closed`: whether it has ended.
    """

    def __init__(self, breaker: Breaker, clock: Clock, ended: Callable[["RedisConnection"], object]) -> None:
        self.breaker = breaker
        self.clock = clock
        self.ended = ended
        self.greeting: Sequence[Command] = ()
        self.is_open = False
        self.is_closed = False
        self.transport: asyncio.Transport | None = None
        self._reader = new_reader()
        self._pending: deque[_Pipeline] = deque()
        self._size = 0  # bytes of the pending pipelines
        self._replies: Replies = []  # of the oldest pipeline
        self._unread = 0  # bytes since the last complete reply
        self._head = b""  # the beginning of a reply that is an array
        self._timer: Timer | None = None
        self._due = math.inf  # the time of the timer
        self._late = 0.0  # the deadline after which the last turn is in progress

    def send(self, commands: Sequence[Command], done: Done, timeout: float) -> None:
        """Send a pipeline. `done` is called exactly once, perhaps at once; `timeout`: seconds."""
        data = encode(commands)
        if not commands:
            self.breaker.cancelled()
            done([])
        elif self.is_closed or len(self._pending) >= MAX_PIPELINES or self._size + len(data) > MAX_PENDING:
            self.breaker.cancelled()
            done(RedisFailure(Reason.CLOSED if self.is_closed else Reason.FULL))
        else:
            deadline = self.clock.time() + timeout
            self._pending.append(_Pipeline(len(commands), data, deadline, done))
            self._size += len(data)
            if self.is_open:
                cast(asyncio.Transport, self.transport).write(data)
            if deadline < self._due:
                self._set_timer(deadline)

    def close(self) -> None:
        """Close the connection; pending pipelines fail, which says nothing about the server."""
        self.fail(RedisFailure(Reason.CLOSED), self.breaker.cancelled)

    def fail(self, failure: RedisFailure, record: Callable[[], object] | None = None) -> None:
        """End the connection; `record` (the breaker's failure by default) is called for each pipeline."""
        if self.is_closed:
            return
        self.is_closed, self.is_open = True, False
        self._set_timer(math.inf)
        if self.transport is not None:
            self.transport.abort()
        pending, self._pending = self._pending, deque()
        self._size, self._replies, self._head = 0, [], b""
        self.ended(self)
        self._fail_all(pending, failure, record or self.breaker.failure)

    def _fail_all(
        self, pipelines: Sequence[_Pipeline], failure: RedisFailure, record: Callable[[], object]
    ) -> None:
        for _ in pipelines:  # before the callbacks, which may send again
            record()
        for pipeline in pipelines:
            self._call(pipeline.done, failure)

    def _call(self, done: Done, result: Replies | RedisFailure) -> None:
        """Call back; an error of one caller must not reach the other callers of the connection."""
        try:
            done(result)
        except Exception as error:
            context = {"message": "a callback of a Redis pipeline failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _set_timer(self, due: float) -> None:
        """Set the timer to a time; infinity cancels it."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = None if due == math.inf else self.clock.call_at(due, self._expire)

    def _expire(self) -> None:
        """Fail if the earliest deadline has passed.

        The event loop may have been busy since then, and the replies have arrived: they are read first.
        """
        self._timer, self._due = None, math.inf
        if not self._pending:
            return
        due, now = min(pipeline.deadline for pipeline in self._pending), self.clock.time()
        if due > now:
            self._set_timer(due)
        elif due != self._late:
            self._late = due
            self._set_timer(now + LAST_TURN)
        elif self.is_open or (self.transport is not None and self._pending[0].deadline <= now):  # [0] greets
            self.fail(RedisFailure(Reason.TIMEOUT))
        else:
            self._expire_unsent(now)

    def _expire_unsent(self, now: float) -> None:
        """Fail the pipelines that waited too long for the connection; it may yet open for later ones."""
        late = [pipeline for pipeline in self._pending if pipeline.deadline <= now]
        self._pending = deque(pipeline for pipeline in self._pending if pipeline.deadline > now)
        self._size = sum(len(pipeline.data) for pipeline in self._pending)
        if self._pending:
            self._set_timer(min(pipeline.deadline for pipeline in self._pending))
        self._fail_all(late, RedisFailure(Reason.TIMEOUT), self.breaker.failure)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio when the socket is open: log in, then send what waits."""
        self.transport = cast(asyncio.Transport, transport)
        if self.is_closed:
            self.transport.abort()
        elif self.greeting:
            data, deadline = encode(self.greeting), self.clock.time() + CONNECT_TIMEOUT
            self._pending.appendleft(_Pipeline(len(self.greeting), data, deadline, self._greeted))
            self._size += len(data)
            self.transport.write(data)
            if deadline < self._due:
                self._set_timer(deadline)
        else:
            self._begin()

    def _greeted(self, result: Replies | RedisFailure) -> None:
        """Send what waits; it must not run before, in another database or without the rights."""
        if isinstance(result, RedisFailure):
            return
        for reply in result:
            if isinstance(reply, RedisError):  # its text may repeat the password, a word in capitals does not
                code = reply.code if reply.code.isalpha() and reply.code.isupper() else "ERR"
                self.fail(RedisFailure(Reason.AUTHENTICATION, code))
                return
        self._begin()

    def _begin(self) -> None:
        self.is_open = True
        if self._pending:
            data = b"".join([pipeline.data for pipeline in self._pending])
            cast(asyncio.Transport, self.transport).write(data)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with bytes of replies."""
        if self.is_closed:
            return
        try:
            self._parse(data)
        except (_InvalidReply, MemoryError) as error:
            self.fail(RedisFailure(Reason.PROTOCOL, str(error) if isinstance(error, _InvalidReply) else ""))

    def _parse(self, data: bytes) -> None:
        """Pass complete replies on. Raises _InvalidReply."""
        reader = self._reader
        if not reader.has_data():
            data = self._checked_head(data)
        self._unread += len(data)
        if self._unread > MAX_REPLY + len(data):
            raise _InvalidReply(f"expected at most {MAX_REPLY} bytes, got more")
        reader.feed(data)
        while (reply := reader.gets()) is not _MORE:
            if not self._pending:
                raise _InvalidReply("expected no reply without a command, got one")
            self._unread = 0
            self._replies.append(reply)
            if len(self._replies) == self._pending[0].count:
                self._complete()
                if self.is_closed:
                    return

    def _checked_head(self, data: bytes) -> bytes:
        """Return the beginning of a reply, or nothing while the length of an array is not complete.

        hiredis allocates an array at once, with the length that the server claims: 8 bytes per element.
        """
        data, self._head = self._head + data, b""
        if data[:1] != b"*":
            return data
        end = data.find(b"\r", 1, 16)
        if end < 0 and len(data) < 16:
            self._head = data
            return b""
        if end < 0 or (data[1:end].isdigit() and int(data[1:end]) > MAX_ELEMENTS):
            raise _InvalidReply(f"expected at most {MAX_ELEMENTS} elements, got more")
        return data

    def _complete(self) -> None:
        """Pass the replies of the oldest pipeline to its callback."""
        pipeline = self._pending.popleft()
        replies, self._replies = self._replies, []
        self._size -= len(pipeline.data)
        if self.is_open:  # else they are the greeting's
            self.breaker.success()
        self._call(pipeline.done, replies)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio when the connection has ended."""
        self.fail(RedisFailure(Reason.CLOSED, "" if exc is None else type(exc).__name__))
