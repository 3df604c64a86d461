"""A caching reverse proxy without a policy: it stores bytes and obeys gateway/cache/http_rules.py."""

import asyncio
import time
from asyncio import IncompleteReadError, StreamReader, StreamWriter, Task
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple

from gateway.cache.directives import Headers
from gateway.cache.http_rules import (
    Decision,
    Exchange,
    Stored,
    decide,
    end_to_end,
    invalidated,
    replaced,
    select,
    stored_answer,
    stored_response,
    updated,
    usable_after_error,
    validates,
    validation_request,
)
from tests.conformance.http_cache.wire import ask_origin, header_text, read_head, read_request_body, send

UNREACHABLE = (OSError, EOFError, TimeoutError, ValueError)
Answer = tuple[bytes, Headers, bytes]


class Request(NamedTuple):
    """A client's request. `url`: its target, a path with a query."""

    method: str
    url: str
    headers: Headers
    body: bytes


class Shim:
    """The proxy in front of the server on `port`.

    `refusals`: the ids of the tests in which the proxy answered 504 itself, since nothing stored was allowed.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.kept: dict[str, list[Stored]] = {}
        self.refusals: set[str] = set()
        self.background: set[Task[Answer | None]] = set()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer the request of one connection."""
        try:
            first, headers = await read_head(reader)
            method, url, _ = first.decode("latin-1").split(" ")
            request = Request(method, url, headers, await read_request_body(reader, headers))
            answer = await self.answer(request)
            if answer is None:
                self.refusals.add(header_text(headers, b"test-id"))
                answer = b"504 Gateway Timeout", (), b""
            await send(writer, *answer, method)
        except (ConnectionError, IncompleteReadError):
            writer.close()

    async def answer(self, request: Request) -> Answer | None:
        """Return the answer to a request; None if only the origin could answer it, and cannot be asked."""
        now = time.time()
        stored = select(self.kept.get(request.url, ()), request.method, request.headers)
        decision = decide(stored, request.headers, now)
        if stored is not None and decision in (Decision.FRESH, Decision.STALE_WHILE_REVALIDATE):
            if decision is Decision.STALE_WHILE_REVALIDATE:
                task = asyncio.create_task(self.forward(request, stored))
                self.background.add(task)
                task.add_done_callback(self.background.discard)
            return self.send_stored(stored, request, now)
        if decision is Decision.UNSATISFIABLE:
            return None
        return await self.forward(request, stored if decision is Decision.REVALIDATE else None)

    async def forward(self, request: Request, stored: Stored | None) -> Answer | None:
        """Return the origin's answer, or a stored one if that is what the origin's answer calls for."""
        sent = time.time()
        asked = validation_request(stored, request.headers)
        response: Answer | None = None
        with suppress(*UNREACHABLE):
            response = await ask_origin(self.port, request.method, request.url, asked, request.body)
        now = time.time()
        status = None if response is None else int(response[0].split(b" ")[1])
        if stored is not None and usable_after_error(stored, request.headers, now, status):
            return self.send_stored(stored, request, now)
        if response is None or status is None:
            return None
        return self.receive(
            request,
            stored,
            response,
            Exchange(request.method, request.headers, status, response[1], response[2], sent, now),
        )

    def receive(
        self, request: Request, stored: Stored | None, response: Answer, exchange: Exchange
    ) -> Answer:
        """Store, update and remove what a response says, and return the answer for the client."""
        if stored is not None and validates(stored, exchange):
            new = updated(stored, exchange)
            self.kept[request.url] = [one for one in self.kept.get(request.url, ()) if one is not stored]
            if new is not None:
                self.kept[request.url].append(new)
            return self.send_stored(new or stored, request, exchange.received)
        new = stored_response(exchange)
        if new is not None:
            self.kept[request.url] = replaced(self.kept.get(request.url, ()), new)
        for url in invalidated(request.method, request.url, exchange.status, exchange.response):
            self.kept.pop(url, None)
        return response[0].split(b" ", 1)[1], end_to_end(exchange.response), exchange.body

    @staticmethod
    def send_stored(stored: Stored, request: Request, now: float) -> Answer:
        """Return the answer that is made of a stored response."""
        status, headers, body = stored_answer(stored, request.headers, now)
        return f"{status} {phrase(status)}".encode(), headers, body


def phrase(status: int) -> str:
    """Return the reason phrase of a status; "Stored" for one that has none."""
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Stored"


@asynccontextmanager
async def serve(port: int) -> AsyncIterator[tuple[Shim, int]]:
    """Run a proxy in front of the server on `port`; yield it and its own port."""
    shim = Shim(port)
    server = await asyncio.start_server(shim.serve, "127.0.0.1", 0)
    async with server:
        yield shim, server.sockets[0].getsockname()[1]
