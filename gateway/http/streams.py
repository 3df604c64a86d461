"""Streams over HTTP: the parts of a response as Server-Sent Events or as multipart/mixed.

- SSE: the distinct connections of graphql-sse: `next` events, then `complete`.
- Multipart: Apollo's protocol for subscriptions, version 1.0: each part is `{"payload": ...}`.

A generator writes the parts, in the task of the response. Parts that the client does not read fast enough
wait in the sink, up to a limit.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol

from gateway.core.errors import RequestError
from gateway.core.jsontext import encode_json
from gateway.core.streams import (
    COMPLETED,
    ResponseStream,
    StreamEnd,
    StreamPart,
    Subscribed,
    end_with,
    with_notice,
)
from gateway.http.negotiate import MULTIPART, SSE
from gateway.settings import SubscriptionSettings
from gateway.wire import multipart, sse

SLOW = "the client reads too slowly; subscribe again"
MULTIPART_TYPE = b"multipart/mixed;boundary=graphql;subscriptionSpec=1.0"


class StreamFormat(Protocol):
    """How the parts of a stream are written."""

    media: str
    content_type: bytes

    def start(self) -> bytes:
        """Return the first bytes, which are sent at once so that the head of the response leaves too."""
        ...

    def part(self, body: bytes, cursor: str | None) -> bytes:
        """Return a part. `body`: a GraphQL response."""
        ...

    def heartbeat(self) -> bytes:
        """Return what tells the client that the stream is alive."""
        ...

    def end(self, end: StreamEnd) -> bytes:
        """Return the last bytes."""
        ...


class SseFormat:
    """Server-Sent Events, as npm's graphql-sse reads them."""

    media = SSE
    content_type = b"text/event-stream; charset=utf-8"

    def start(self) -> bytes:
        return sse.HEARTBEAT

    def part(self, body: bytes, cursor: str | None) -> bytes:
        return sse.event(b"next", body, None if cursor is None else cursor.encode())

    def heartbeat(self) -> bytes:
        return sse.HEARTBEAT

    def end(self, end: StreamEnd) -> bytes:
        if end.is_temporary:  # without `complete` clients connect again
            return b""
        last = sse.event(b"next", end.body) if end.errors else b""
        return last + sse.event(b"complete", b"")


class MultipartFormat:
    """multipart/mixed, as Apollo Client reads subscriptions."""

    media = MULTIPART
    content_type = MULTIPART_TYPE

    def start(self) -> bytes:
        return multipart.start()

    def part(self, body: bytes, cursor: str | None) -> bytes:
        return multipart.part(b'{"payload":%b}' % body)

    def heartbeat(self) -> bytes:
        return multipart.part(b"{}")

    def end(self, end: StreamEnd) -> bytes:
        last = b""
        if end.errors:
            last = multipart.part(encode_json({"payload": None, "errors": end.errors}))
        return last + multipart.end()


class IncrementalFormat(MultipartFormat):
    """multipart/mixed with the parts of one response (@defer, @stream)."""

    def __init__(self, parameter: bytes) -> None:
        self.content_type = b"multipart/mixed;boundary=graphql;" + parameter

    def part(self, body: bytes, cursor: str | None) -> bytes:
        return multipart.part(body)

    def heartbeat(self) -> bytes:
        return b""  # clients of this format read every part


FORMATS: dict[str, StreamFormat] = {SSE: SseFormat(), MULTIPART: MultipartFormat()}
INCREMENTAL: dict[str, StreamFormat] = {
    "2022": IncrementalFormat(b"deferSpec=20220824"),
    "v0.2": IncrementalFormat(b"incrementalSpec=v0.2"),
}
"""By the name of the incremental format."""


class _Waiting(NamedTuple):
    part: StreamPart
    size: int


class WaitingParts:
    """The parts that a client has not read yet; it implements `PartSink`.

    `dropped`: how many were dropped since the last one that was read. `end`: None while the stream goes on.
    `subscribed`: the place in the stream, which is left when the client reads too slowly. `may_drop`: whether
    parts may be dropped; those of one response may not.
    """

    def __init__(self, settings: SubscriptionSettings, may_drop: bool = True) -> None:
        self.settings = settings
        self.may_drop = may_drop
        self.parts: deque[_Waiting] = deque()
        self.size = 0
        self.dropped = 0
        self.end: StreamEnd | None = None
        self.subscribed: Subscribed | None = None
        self.changed = asyncio.Event()

    def part(self, part: StreamPart) -> None:
        if self.end is not None:
            return
        self.parts.append(_Waiting(part, len(part.body)))
        self.size += len(part.body)
        while self.may_drop and self.size > self.settings.queue and len(self.parts) > 1:
            if self.settings.overflow == "close":
                self.ended(StreamEnd([RequestError(SLOW, "SLOW_CLIENT").formatted()]))
                if self.subscribed is not None:
                    self.subscribed.cancel()
                break
            self.size -= self.parts.popleft().size
            self.dropped += 1
        self.changed.set()

    def ended(self, end: StreamEnd) -> None:
        if self.end is None:
            self.end = end
            self.changed.set()

    def next(self) -> tuple[bytes, str | None] | None:
        """Return the body and the cursor of the next part, with a notice of dropped ones; None
        without one.
        """
        if not self.parts:
            return None
        part, size = self.parts.popleft()
        self.size -= size
        body = part.body
        if self.dropped:
            body, self.dropped = with_notice(body, {"dropped": self.dropped}), 0
        return body, part.cursor


async def has_changed(changed: asyncio.Event, seconds: float) -> bool:
    """Wait until something has changed from now on; return False if nothing has in this time."""
    changed.clear()
    try:
        async with asyncio.timeout(seconds):  # `wait_for` of Python 3.11 loses cancellations
            await changed.wait()
    except TimeoutError:
        return False
    return True


async def written_stream(
    stream: ResponseStream, form: StreamFormat, settings: SubscriptionSettings, may_drop: bool = True
) -> AsyncGenerator[bytes, None]:
    """Yield a stream as it is written. Closing the generator ends the subscription.

    `may_drop`: whether a slow client may miss parts.
    """
    waiting = WaitingParts(settings, may_drop)
    yield form.start()
    try:
        subscribed = waiting.subscribed = stream.attach(waiting)
    except RequestError as error:
        yield form.end(end_with([error.formatted()]))
        return
    try:
        while True:
            while (found := waiting.next()) is not None:
                yield form.part(*found)
            if waiting.end is not None:
                yield form.end(waiting.end)
                return
            if not await has_changed(waiting.changed, settings.heartbeat):
                yield form.heartbeat()
    finally:
        subscribed.cancel()


async def single_result(body: bytes, form: StreamFormat) -> AsyncGenerator[bytes, None]:
    """Yield a stream with the only result of a query or mutation, or with the errors of a refused request."""
    yield form.start() + form.part(body, None) + form.end(COMPLETED)


async def only_end(end: StreamEnd, form: StreamFormat) -> AsyncGenerator[bytes, None]:
    """Yield a stream that ends as it begins."""
    yield form.start() + form.end(end)
