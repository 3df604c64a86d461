"""HTTP requests that one worker passes on to another one, which has what they are about.

    ("request", 7, "GET", b"", [...], "127.0.0.1", b"", "12.sock~...")   a worker passes a request on
    ("reply", 7, 200, b"", "text/event-stream", None, [...], True)       its reply; whether parts follow
    ("piece", 7, b"...")                                                 one part of it
    ("more", 7)                                                          the client has read that part
    ("last", 7)                                                          all parts were sent
    ("close", 7)                                                         the client has left

At most one part is under way, so a client that reads slowly holds up the worker with its connection, where
the parts wait as if the client were there.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

from gateway.core.headers import RequestHeaders
from gateway.subscribe.worker_link import CLOSE, Link, Message

REQUEST, REPLY, PIECE, MORE, LAST = "request", "reply", "piece", "more", "last"
TO_OWNER, TO_ASKER = frozenset({REQUEST, MORE, CLOSE}), frozenset({REPLY, PIECE, LAST})
Key = tuple[Link, int]


class WorkerGone(Exception):
    """The worker that has what a request is about can't be reached."""


class RemoteRequest(NamedTuple):
    """A request. `token`: what it is about."""

    method: str
    query_string: bytes
    headers: RequestHeaders
    body: bytes
    token: str


class RemoteReply(NamedTuple):
    """A reply, with the fields of `http.respond.HttpReply`. `parts`: None for one with a body."""

    status: int
    body: bytes
    media: str
    allow: bytes | None
    headers: tuple[tuple[bytes, bytes], ...]
    parts: AsyncGenerator[bytes, None] | None


Answer = Callable[[RemoteRequest], Awaitable[RemoteReply]]


class Asked(AsyncGenerator[bytes, None]):
    """A request that another worker answers, and the parts of its reply.

    It is no generator function: one that was never started would not learn that it is closed.

    `messages`: what that worker has sent; None if it is gone. `forget`: called at the end.
    """

    def __init__(self, link: Link, number: int, forget: Callable[["Asked"], object]) -> None:
        self.link = link
        self.number = number
        self.forget = forget
        self.messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self.is_over = self.has_read = False

    async def reply(self) -> RemoteReply:
        """Return the reply. Raises WorkerGone."""
        message = await self.messages.get()
        if message is None or message[0] != REPLY:
            self.is_over = True
            raise WorkerGone
        _, _, status, body, media, allow, headers, has_parts = message
        pairs = tuple((bytes(name), bytes(value)) for name, value in headers)
        self.is_over = not has_parts
        return RemoteReply(status, body, media, allow, pairs, self if has_parts else None)

    async def asend(self, value: None) -> bytes:
        """Return the next part; the one before was read."""
        if self.has_read:
            self.link.send((MORE, self.number))
        message = None if self.is_over else await self.messages.get()
        if message is None or message[0] != PIECE:
            self.is_over = True
            self.end()
            raise StopAsyncIteration
        self.has_read = True
        part: bytes = message[2]
        return part

    async def athrow(self, kind: Any, value: Any = None, traceback: Any = None) -> bytes:
        """End the request, since the client has left; raise what was thrown."""
        self.end()
        raise kind if value is None else value

    def end(self) -> None:
        """Forget the request; tell the other worker if it has not ended there."""
        self.forget(self)
        if not self.is_over:
            self.is_over = True
            self.link.send((CLOSE, self.number))


class Answering:
    """A request that this worker answers for another one. `more`: set when the client has read a part."""

    def __init__(self, link: Link, number: int) -> None:
        self.link = link
        self.number = number
        self.more = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def run(self, answer: Answer, request: RemoteRequest) -> None:
        """Answer the request."""
        reply = await answer(request)
        parts = reply.parts
        head = (reply.status, reply.body, reply.media, reply.allow, list(reply.headers))
        self.link.send((REPLY, self.number, *head, parts is not None))
        if parts is None:
            return
        async with aclosing(parts):
            async for part in parts:
                self.more.clear()
                self.link.send((PIECE, self.number, part))
                await self.more.wait()
        self.link.send((LAST, self.number))


class Exchanges:
    """The requests that this worker passes on, and those that it answers for others.

    `answer`: answers a request here.
    """

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.asked: dict[Key, Asked] = {}
        self.answering: dict[Key, Answering] = {}

    async def ask(self, link: Link, number: int, request: RemoteRequest) -> RemoteReply:
        """Pass a request on over a connection; return its reply. Raises WorkerGone."""
        asked = self.asked[link, number] = Asked(link, number, self._forget)
        headers = list(request.headers.raw.items())
        about = (request.method, request.query_string, headers, request.headers.address)
        link.send((REQUEST, number, *about, request.body, request.token))
        try:
            reply = await asked.reply()
        except BaseException:
            asked.end()
            raise
        if reply.parts is None:
            asked.end()
        return reply

    def _forget(self, asked: Asked) -> None:
        self.asked.pop((asked.link, asked.number), None)

    # messages

    def received(self, link: Link, message: Message) -> None:
        """Receive a message of a worker that answers a request."""
        asked = self.asked.get((link, message[1]))
        if asked is not None:
            asked.messages.put_nowait(message)

    def requested(self, link: Link, message: Message) -> bool:
        """Receive a message of a worker that asks; return whether it is about a request."""
        kind, key = message[0], (link, message[1])
        if kind == REQUEST:
            self._begin(link, message)
            return True
        found = self.answering.get(key)
        if found is None:
            return bool(kind == MORE)
        if kind == MORE:
            found.more.set()
        elif found.task is not None:
            found.task.cancel()
        return True

    def _begin(self, link: Link, message: Message) -> None:
        _, number, method, query_string, headers, address, body, token = message
        if self.answer is None:
            link.send((LAST, number))
            return
        pairs = [(bytes(name), bytes(value)) for name, value in headers]
        request = RemoteRequest(method, query_string, RequestHeaders(pairs, address), body, token)
        found = self.answering[link, number] = Answering(link, number)
        found.task = asyncio.ensure_future(found.run(self.answer, request))
        found.task.add_done_callback(lambda task: self._answered((link, number), task))

    def _answered(self, key: Key, task: "asyncio.Task[None]") -> None:
        """Forget a request that is answered; a part that failed ends the response of the other worker."""
        self.answering.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            key[0].send((LAST, key[1]))

    def lost(self, link: Link) -> None:
        """End the requests over a connection that is gone."""
        for asked in [one for one in self.asked.values() if one.link is link]:
            asked.messages.put_nowait(None)
        for found in [one for one in self.answering.values() if one.link is link]:
            if found.task is not None:
                found.task.cancel()

    def close(self) -> None:
        """End all requests."""
        for link in {key[0] for key in (*self.asked, *self.answering)}:
            self.lost(link)
