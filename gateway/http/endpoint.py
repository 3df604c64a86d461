"""`/graphql` as a raw ASGI application: read, guard, answer, respond."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from gateway.core.errors import RequestError
from gateway.http.negotiate import JSON, negotiate
from gateway.http.read import Ask, from_body, from_query_string
from gateway.http.respond import Answer, content_type, encode, refused, status_of
from gateway.observe.events import InternalFailure, emit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answering = Callable[[Ask, Mapping[str, str]], Awaitable[Answer]]

FORWARDED = "x-forwarded-for"
WATCH_AFTER = 0.02  # seconds
PLAN_HEADER = "x-gateway-plan"


class ClientLeft(Exception):
    """The client closed its connection before it had its answer."""


@lru_cache(maxsize=1024)
def _bytes(name: str) -> bytes:
    return name.encode("latin-1", "replace")


class RequestHeaders(Mapping[str, str]):
    """A request's headers, decoded when they are looked at. `x-forwarded-for` is the client's address, whatever the client says."""

    __slots__ = ("address", "raw")

    def get(self, name: str, default: Any = None) -> Any:
        """See Mapping.get."""
        if name == FORWARDED:
            return self.address or default
        found = self.raw.get(_bytes(name))
        return default if found is None else found.decode("latin-1")

    def __contains__(self, name: object) -> bool:
        if name == FORWARDED:
            return self.address is not None
        return isinstance(name, str) and _bytes(name) in self.raw

    def __init__(self, scope: Scope) -> None:
        self.raw: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        self.address: str | None = client[0] if client else None

    def __getitem__(self, name: str) -> str:
        if name == FORWARDED:
            if self.address is None:
                raise KeyError(name)
            return self.address
        return self.raw[_bytes(name)].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        names = (name.decode("latin-1") for name in self.raw)
        return iter(
            [*(name for name in names if name != FORWARDED), *([FORWARDED] if self.address is not None else [])]
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Endpoint:
    """Answers GraphQL over HTTP by a function from a request and its headers to an answer."""

    def __init__(self, answering: Answering, max_body: int) -> None:
        self.answering = answering
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = RequestHeaders(scope)
        media = JSON
        extra: list[tuple[bytes, bytes]] = []
        try:
            media = negotiate(headers.get("accept", ""))
            ask = await self.read(scope, headers, receive)
            answer = await self.while_connected(self.answering(ask, headers), receive)
        except ClientLeft:
            return
        except RequestError as error:
            answer = refused(error)
            if error.status == 405:
                extra.append((b"allow", b"POST" if scope["method"] == "GET" else b"GET, POST"))
        except Exception as error:  # a mistake of ours must not end the connection without a word
            answer = _internal(error)
        await _send(send, status_of(answer, media), encode(answer), media, extra)

    async def read(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Ask:
        """The request, by method."""
        wants_plan = headers.get(PLAN_HEADER, "") not in ("", "0", "false")
        if scope["method"] == "GET":
            return from_query_string(scope.get("query_string", b""), wants_plan)
        if scope["method"] != "POST":
            raise RequestError(f"{scope['method']} is not served here; use POST", "METHOD_NOT_ALLOWED", status=405)
        body = await self.body(headers, receive)
        return from_body(body, headers.get("content-type", ""), wants_plan)

    async def body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The body, refused as soon as it is known to be too large."""
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self.max_body):
            raise self.too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self.max_body:
                raise self.too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def too_large(self) -> RequestError:
        """The refusal of a body over the limit."""
        return RequestError(f"the body is larger than {self.max_body:,} bytes", "REQUEST_TOO_LARGE", status=413)

    async def while_connected(self, work: Awaitable[Answer], receive: Receive) -> Answer:
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


def _internal(error: Exception) -> Answer:
    number = uuid.uuid4().hex
    emit(InternalFailure(number, error))
    message = f"internal error; the gateway's log has the details under id {number}"
    extensions = {"code": "INTERNAL_SERVER_ERROR", "id": number}
    return Answer({"errors": [{"message": message, "extensions": extensions}]}, 500)


async def _send(send: Send, status: int, body: bytes, media: str, extra: list[tuple[bytes, bytes]]) -> None:
    headers = [
        (b"content-type", content_type(media)),
        (b"content-length", b"%d" % len(body)),
        (b"vary", b"accept"),
        (b"x-content-type-options", b"nosniff"),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
