"""`/graphql` as a raw ASGI application: read, guard, answer, respond. And without ASGI, for `direct`."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from gateway.core.errors import RequestError
from gateway.http.headers import RequestHeaders
from gateway.http.negotiate import JSON, negotiate
from gateway.http.read import Ask, from_body, from_query_string
from gateway.http.respond import Answer, Reply, encode, refused, status_of
from gateway.observe.events import InternalFailure, emit
from gateway.pipeline import Answered
from gateway.transport.base import Handle

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answering = Callable[[Ask, Mapping[str, str]], Awaitable[Answer]]
Quickly = Callable[[Ask, Mapping[str, str], Answered], Handle | None]

WATCH_AFTER = 0.02  # seconds
PLAN_HEADER = "x-gateway-plan"
PLAN_HEADER_BYTES = PLAN_HEADER.encode()


class ClientLeft(Exception):
    """The client closed its connection before it had its answer."""


class Endpoint:
    """Answers GraphQL over HTTP by a function from a request and its headers to an answer.

    `quickly` begins to answer what needs nothing but executing, without a task; None for the rest.
    """

    def __init__(self, answering: Answering, quickly: Quickly, max_body: int) -> None:
        self.answering = answering
        self.quickly = quickly
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request by ASGI."""
        client = scope.get("client")
        headers = RequestHeaders(scope["headers"], client[0] if client else None)
        method, query_string = scope["method"], scope.get("query_string", b"")
        try:
            body = await self.body(headers, receive) if method == "POST" else b""
            found = await self.while_connected(self.respond(method, query_string, headers, body), receive)
        except ClientLeft:
            return
        start = {"type": "http.response.start", "status": found.status, "headers": found.headers()}
        await send(start)
        await send({"type": "http.response.body", "body": found.body})

    async def respond(
        self, method: str, query_string: bytes, headers: RequestHeaders, body: bytes | RequestError
    ) -> Reply:
        """The whole reply to a request, whatever is wrong with it; `body` may be what was wrong with reading it."""
        media = JSON
        allow: bytes | None = None
        try:
            media = negotiate(headers.get("accept", ""))
            answer = await self.answering(self.ask(method, query_string, headers, body), headers)
        except RequestError as error:
            answer = refused(error)
            if error.status == 405:
                allow = b"POST" if method == "GET" else b"GET, POST"
        except Exception as error:  # a mistake of ours must not end the connection without a word
            answer = internal(error)
        return Reply(status_of(answer, media), encode(answer), media, allow)

    def at_once(self, headers: RequestHeaders, body: bytes, answered: Answered) -> Handle | None:
        """Begin to answer a POST, if that needs nothing but executing; else None, and `respond` has to do it."""
        raw = headers.raw
        if raw.get(b"content-type") != b"application/json" or PLAN_HEADER_BYTES in raw:
            return None
        try:
            ask = from_body(body, "application/json")
        except RequestError:
            return None
        return self.quickly(ask, headers, answered)

    def ask(self, method: str, query_string: bytes, headers: RequestHeaders, body: bytes | RequestError) -> Ask:
        """The request, by method."""
        wants_plan = headers.get(PLAN_HEADER, "") not in ("", "0", "false")
        if method == "GET":
            return from_query_string(query_string, wants_plan)
        if method != "POST":
            raise RequestError(f"{method} is not served here; use POST", "METHOD_NOT_ALLOWED", status=405)
        if isinstance(body, RequestError):
            raise body
        return from_body(body, headers.get("content-type", ""), wants_plan)

    async def body(self, headers: RequestHeaders, receive: Receive) -> bytes | RequestError:
        """The body, or its refusal as soon as it is known to be too large. Raises ClientLeft."""
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self.max_body):
            return self.too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self.max_body:
                return self.too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def too_large(self) -> RequestError:
        """The refusal of a body over the limit."""
        return RequestError(f"the body is larger than {self.max_body:,} bytes", "REQUEST_TOO_LARGE", status=413)

    async def while_connected(self, work: Awaitable[Reply], receive: Receive) -> Reply:
        """Wait for the answer, but stop the work when the client leaves.

        Watching takes a task, which costs as much as a small answer: it begins when the answer has not come after a moment.
        """
        watch = _Watch(asyncio.current_task(), receive)
        later = asyncio.get_running_loop().call_later(WATCH_AFTER, watch.begin)
        try:
            return await work
        except asyncio.CancelledError:
            if watch.left:
                raise ClientLeft from None
            raise
        finally:
            later.cancel()
            watch.end()


class _Watch:
    """Cancels a request's task when its client leaves."""

    def __init__(self, task: "asyncio.Task[Any] | None", receive: Receive) -> None:
        self.task = task
        self.receive = receive
        self.left = False
        self.watching: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch from now on."""
        self.watching = asyncio.ensure_future(self.watch())

    def end(self) -> None:
        """The answer is there."""
        if self.watching is not None:
            self.watching.cancel()

    async def watch(self) -> None:
        """Wait for the client to leave."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.left = True
        if self.task is not None:
            self.task.cancel()


def internal(error: BaseException) -> Answer:
    """The answer when we have made a mistake; its details are in the log alone."""
    number = uuid.uuid4().hex
    emit(InternalFailure(number, error))
    message = f"internal error; the gateway's log has the details under id {number}"
    extensions = {"code": "INTERNAL_SERVER_ERROR", "id": number}
    return Answer({"errors": [{"message": message, "extensions": extensions}]}, 500)
