"""The HTTP endpoint of a service: GraphQL and two health checks, as an ASGI application without a framework.

It reads and checks the HTTP request; `Service.execute` executes it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import orjson
import structlog

log = structlog.get_logger("subgraphs.http")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Reply(NamedTuple):
    """A GraphQL response, and the value of the header `Cache-Control`."""

    response: dict[str, Any]
    cache_control: str


Execute = Callable[[str, dict[str, Any] | None, str | None, dict[str, str]], Awaitable[Reply]]
"""Executes query, variables, operation name and headers (names in lower case)."""

BODY_LIMIT = 1_000_000  # bytes
NO_STORE = "no-store"
TRUSTED_PROXIES = frozenset({"127.0.0.1", "::1"})
"""Addresses of clients whose header `x-forwarded-for` is trusted: the gateway on this machine."""


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class GraphQLEndpoint:
    """Serves `/graphql`, `/health/live` and `/health/ready` (503 while `is_ready` returns False)."""

    def __init__(self, execute: Execute, is_ready: Callable[[], Awaitable[bool]]) -> None:
        self._execute = execute
        self._is_ready = is_ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; scopes other than HTTP are ignored."""
        if scope["type"] != "http":
            return
        status, body, cache_control = await self._respond(scope, receive)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", cache_control.encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, scope: Scope, receive: Receive) -> tuple[int, bytes, str]:
        try:
            match scope["method"], scope["path"]:
                case "POST", "/graphql":
                    return 200, *await self._graphql(scope, receive)
                case "GET" | "HEAD", "/health/live":
                    return 200, b'{"status":"live"}', NO_STORE
                case "GET" | "HEAD", "/health/ready":
                    return *await self._ready(), NO_STORE
                case _, "/graphql" | "/health/live" | "/health/ready":
                    expected = "POST" if scope["path"] == "/graphql" else "GET"
                    raise _Refused(
                        405, f"{scope['path']} must be requested by {expected}, got {scope['method']}"
                    )
                case _:
                    raise _Refused(
                        404,
                        f"There is no path {scope['path']}: use /graphql, /health/live or /health/ready",
                    )
        except _Refused as refused:
            error = {"message": refused.message, "extensions": {"code": "BAD_REQUEST"}}
            return refused.status, orjson.dumps({"errors": [error]}), NO_STORE

    async def _ready(self) -> tuple[int, bytes]:
        if await self._is_ready():
            return 200, b'{"status":"ready"}'
        return 503, b'{"status":"not ready: the database does not answer"}'

    async def _graphql(self, scope: Scope, receive: Receive) -> tuple[bytes, str]:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        _check_media_type(headers)
        _check_length(headers)
        request = _read(await _body(receive))
        _set_address(scope, headers)
        reply = await self._execute(
            request["query"], request.get("variables"), request.get("operationName"), headers
        )
        return orjson.dumps(reply.response, option=orjson.OPT_NON_STR_KEYS), reply.cache_control


def _check_media_type(headers: dict[str, str]) -> None:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise _Refused(415, f"The content type must be application/json, got {media_type or 'none'}")


def _check_length(headers: dict[str, str]) -> None:
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > BODY_LIMIT:
        raise _Refused(413, f"The body must have at most {BODY_LIMIT} bytes, got {length}")


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "The client disconnected before the end of the body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT:
            raise _Refused(413, f"The body must have at most {BODY_LIMIT} bytes, got at least {size}")
        if not message.get("more_body"):
            return b"".join(parts)


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _Refused(400, f"The body is not JSON: {error}") from None
    if not isinstance(request, dict) or not isinstance(request.get("query"), str):
        raise _Refused(400, "The body must be an object with a string 'query'")
    if not isinstance(request.get("variables"), dict | None):
        raise _Refused(400, "'variables' must be an object or null")
    if not isinstance(request.get("operationName"), str | None):
        raise _Refused(400, "'operationName' must be a string or null")
    return request


def _set_address(scope: Scope, headers: dict[str, str]) -> None:
    """Set the header `x-forwarded-for` to the address of the client.

    The received header is left as it is if the client is one of TRUSTED_PROXIES.
    """
    peer = (scope.get("client") or ("127.0.0.1", 0))[0]
    if peer not in TRUSTED_PROXIES:
        headers["x-forwarded-for"] = peer
