"""The ASGI door to `/graphql`, for any ASGI server, and for requests that the direct door leaves to
uvicorn.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.http.endpoint import Endpoint
from gateway.http.respond import HttpReply
from gateway.http.upload_arrival import ClientLeft, UploadArrival
from gateway.uploads.form import is_form

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
T = TypeVar("T")
WATCH_AFTER = 0.02  # seconds that a request may run before a task waits for the client's disconnect


class SingleConnections(Protocol):
    """Serves graphql-sse's single connection mode; see `single_door`."""

    def serves(self, method: str, query_string: bytes, headers: RequestHeaders) -> bool:
        """Return whether a request is of that mode."""
        ...

    async def reply(
        self,
        method: str,
        query_string: bytes,
        headers: RequestHeaders,
        body: bytes | RequestError,
        path: str = "",
    ) -> HttpReply:
        """Return the reply to it."""
        ...


async def serve_graphql(
    endpoint: Endpoint,
    scope: Scope,
    receive: Receive,
    send: Send,
    path: str = "",
    single: "SingleConnections | None" = None,
) -> None:
    """Answer one ASGI request. `path`: that of the URL, below the endpoint's.

    `single`: serves single connections; None if they are not served.
    """
    client = scope.get("client")
    headers = RequestHeaders(scope["headers"], client[0] if client else None)
    method, query_string = scope["method"], scope.get("query_string", b"")
    if endpoint.uploads is not None and method == "POST" and is_form(headers):
        await serve_form(endpoint, scope, headers, receive, send, path)
        return
    try:
        body = await read_body(endpoint, headers, receive) if method == "POST" else b""
        is_single = single is not None and single.serves(method, query_string, headers)
        reply = single.reply if single is not None and is_single else endpoint.reply
        found = await while_connected(reply(method, query_string, headers, body, path), receive)
    except ClientLeft:
        return
    reply_headers = found.headers()
    ends = found.parts is not None and endpoint.is_ending
    if ends or (isinstance(body, RequestError) and expects_continue(scope, headers)):
        reply_headers.append((b"connection", b"close"))
    await send_reply(found, reply_headers, receive, send)


async def serve_form(
    endpoint: Endpoint, scope: Scope, headers: RequestHeaders, receive: Receive, send: Send, path: str
) -> None:
    """Answer a request with files: its operation runs while they arrive."""
    arrival = UploadArrival(endpoint, receive)
    query_string = scope.get("query_string", b"")
    try:
        body = await arrival.begin(headers)
        found = await while_connected(
            endpoint.reply("POST", query_string, headers, body, path), arrival.watch
        )
        reply_headers = found.headers()
        if isinstance(body, RequestError):  # the rest of the form is not read
            reply_headers.append((b"connection", b"close"))
        await send_reply(found, reply_headers, arrival.watch, send)
    except ClientLeft:
        return
    finally:
        arrival.close()


async def send_reply(
    found: HttpReply, reply_headers: list[tuple[bytes, bytes]], receive: Receive, send: Send
) -> None:
    """Send a reply, part after part if it has parts."""
    await send({"type": "http.response.start", "status": found.status, "headers": reply_headers})
    if found.parts is not None:
        try:
            await while_connected(send_parts(found.parts, send), receive)
        except ClientLeft:
            return
    await send({"type": "http.response.body", "body": found.body})


def expects_continue(scope: Scope, headers: RequestHeaders) -> bool:
    """Return whether the client waits for `100 Continue` before it sends its body.

    After an error response it may send the body or the next request, which can't be distinguished, so the
    connection has to be closed (RFC 9110, 10.1.1).
    """
    return scope.get("http_version") == "1.1" and headers.get("expect", "").lower() == "100-continue"


async def send_parts(parts: AsyncGenerator[bytes, None], send: Send) -> None:
    """Send each part of a streamed response as soon as it is available."""
    async with aclosing(parts):
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})


async def read_body(endpoint: Endpoint, headers: RequestHeaders, receive: Receive) -> bytes | RequestError:
    """Return the body, or a RequestError as soon as it is known to be too large.

    Raises ClientLeft if the client disconnects.
    """
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > endpoint.max_body):
        return endpoint.too_large()
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > endpoint.max_body:
            return endpoint.too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def while_connected(work: Awaitable[T], receive: Receive) -> T:
    """Await `work`; if the client disconnects, cancel it and raise ClientLeft.

    Watching the connection needs a task, which costs as much as a small response, so it starts only after
    WATCH_AFTER seconds.
    """
    watch = _Watch(asyncio.current_task(), receive)
    later = SYSTEM_CLOCK.call_at(SYSTEM_CLOCK.time() + WATCH_AFTER, watch.begin)
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
    """Cancels a request's task when its client disconnects. `left`: whether the client has disconnected."""

    def __init__(self, task: "asyncio.Task[Any] | None", receive: Receive) -> None:
        self.task = task
        self.receive = receive
        self.left = False
        self.watching: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start to watch the connection."""
        self.watching = asyncio.ensure_future(self.watch())

    def end(self) -> None:
        """Stop watching the connection: from now on a disconnect cancels nothing."""
        if self.watching is not None:
            self.watching.cancel()

    async def watch(self) -> None:
        """Wait for the client to disconnect, then cancel the task."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.left = True
        if self.task is not None:
            self.task.cancel()
