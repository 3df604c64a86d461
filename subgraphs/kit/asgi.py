"""The HTTP endpoint of a service: GraphQL and two health checks, as an ASGI application without a framework.

It reads and checks the HTTP request; `Service.execute` executes it. A service that takes files gets them as
forms.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import orjson
import structlog

from gateway.core.headers import RequestHeaders
from gateway.settings import UploadSettings
from gateway.uploads.form import is_form
from subgraphs.kit.form_requests import FormReader
from subgraphs.kit.http_requests import Message, Receive, Refused, read_json_request

log = structlog.get_logger("subgraphs.http")

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Reply(NamedTuple):
    """A GraphQL response, and the value of the header `Cache-Control`."""

    response: dict[str, Any]
    cache_control: str


Execute = Callable[[str, dict[str, Any] | None, str | None, dict[str, str]], Awaitable[Reply]]
"""Executes query, variables, operation name and headers (names in lower case)."""

NO_STORE = "no-store"
TRUSTED_PROXIES = frozenset({"127.0.0.1", "::1"})
"""Addresses of clients whose header `x-forwarded-for` is trusted: the gateway on this machine."""


class GraphQLEndpoint:
    """Serves `/graphql`, `/health/live` and `/health/ready` (503 while `is_ready` returns False).

    `uploads`: the limits on files; None: the service takes none.
    """

    def __init__(
        self,
        execute: Execute,
        is_ready: Callable[[], Awaitable[bool]],
        uploads: UploadSettings | None = None,
    ) -> None:
        self._execute = execute
        self._is_ready = is_ready
        self._forms = FormReader(uploads) if uploads is not None else None

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
                    raise Refused(
                        405, f"{scope['path']} must be requested by {expected}, got {scope['method']}"
                    )
                case _:
                    raise Refused(
                        404,
                        f"There is no path {scope['path']}: use /graphql, /health/live or /health/ready",
                    )
        except Refused as refused:
            error = {"message": refused.message, "extensions": {"code": "BAD_REQUEST"}}
            return refused.status, orjson.dumps({"errors": [error]}), NO_STORE

    async def _ready(self) -> tuple[int, bytes]:
        if await self._is_ready():
            return 200, b'{"status":"ready"}'
        return 503, b'{"status":"not ready: the database does not answer"}'

    async def _graphql(self, scope: Scope, receive: Receive) -> tuple[bytes, str]:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        async with AsyncExitStack() as files:
            if self._forms is not None and is_form(given := RequestHeaders(scope["headers"], None)):
                request = await files.enter_async_context(self._forms.read(given, receive))
            else:
                request = await read_json_request(headers, receive)
            _set_address(scope, headers)
            reply = await self._execute(
                request["query"], request.get("variables"), request.get("operationName"), headers
            )
        return orjson.dumps(reply.response, option=orjson.OPT_NON_STR_KEYS), reply.cache_control


def _set_address(scope: Scope, headers: dict[str, str]) -> None:
    """Set the header `x-forwarded-for` to the address of the client.

    The received header is left as it is if the client is one of TRUSTED_PROXIES.
    """
    peer = (scope.get("client") or ("127.0.0.1", 0))[0]
    if peer not in TRUSTED_PROXIES:
        headers["x-forwarded-for"] = peer
