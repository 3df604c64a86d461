"""Sends requests to an ASGI application in this process, without a server, so that only its own
time counts.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp


class Door:
    """Posts bodies to an application; each response must have the status 200."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def post(self, body: bytes) -> bytes:
        """Send one request, and return the body of the response."""
        length = str(len(body)).encode()
        headers = [
            (b"host", b"bench"),
            (b"content-type", b"application/json"),
            (b"accept", b"application/json"),
            (b"content-length", length),
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 4000),
        }
        exchange = _Exchange(body)
        await self.app(scope, exchange.receive, exchange.send)
        if exchange.status != 200:
            raise RuntimeError(f"status {exchange.status}: {exchange.answer[:300]!r}")
        return exchange.answer


class _Exchange:
    """The ASGI functions `receive` and `send` of one request.

    After the body `receive` does not return: the client stays connected.
    """

    def __init__(self, body: bytes) -> None:
        self.body: bytes | None = body
        self.status, self.answer = 0, b""

    async def receive(self) -> MutableMapping[str, Any]:
        if self.body is None:
            await asyncio.Event().wait()
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.answer += message.get("body", b"")
