"""A client of graphql-sse's single connection mode, on raw sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson

from tests.gateway.http.raw_clients import SSE, RawStream, raw_stream
from tests.gateway.http.stream_doors import Doors


class Reply(NamedTuple):
    """A reply with a body. `head`: with the status line."""

    status: int
    text: str
    head: str

    @property
    def code(self) -> str:
        """Return the code of its only error."""
        (error,) = orjson.loads(self.text)["errors"]
        found: str = error["extensions"]["code"]
        return found


async def sent(served: Doors, *lines: str, body: bytes = b"") -> Reply:
    """Send a request over a connection of its own; return the reply."""
    async with raw_stream(served) as client:
        await client.send(*lines, *([f"Content-Length: {len(body)}"] if body else []), body=body)
        (length,) = [one for one in client.head.split("\r\n") if one.lower().startswith("content-length:")]
        text = await client.reader.readexactly(int(length.partition(":")[2]))
        return Reply(client.status, text.decode(), client.head)


async def reserve(served: Doors, *lines: str) -> Reply:
    """Reserve a stream."""
    return await sent(served, "PUT /graphql HTTP/1.1", *lines)


def with_token(token: str) -> str:
    """Return the header with a token."""
    return f"X-GraphQL-Event-Stream-Token: {token}"


async def post(served: Doors, token: str, id: Any, query: str, *lines: str, **payload: Any) -> Reply:
    """Send an operation."""
    extensions = {} if id is None else {"operationId": id}
    body = orjson.dumps({"query": query, "extensions": extensions, **payload})
    kind = "Content-Type: application/json; charset=utf-8"
    return await sent(served, "POST /graphql HTTP/1.1", kind, with_token(token), *lines, body=body)


async def end(served: Doors, token: str, id: str | None) -> Reply:
    """End an operation."""
    asked = "" if id is None else f"?operationId={id}"
    return await sent(served, f"DELETE /graphql{asked} HTTP/1.1", with_token(token))


@asynccontextmanager
async def opened(
    served: Doors, token: str, *lines: str, buffer: int | None = None, by_url: bool = False
) -> AsyncIterator[RawStream]:
    """Open the stream of a token. `by_url`: whether the token is in the query string, as EventSource sends
    it.
    """
    async with raw_stream(served, buffer) as client:
        if by_url:
            await client.send(f"GET /graphql?token={token} HTTP/1.1", f"Accept: {SSE}", *lines)
        else:
            await client.send("GET /graphql HTTP/1.1", f"Accept: {SSE}", with_token(token), *lines)
        yield client


@asynccontextmanager
async def single(served: Doors, buffer: int | None = None) -> AsyncIterator[tuple[str, RawStream]]:
    """Yield a token, and its stream."""
    token = (await reserve(served)).text
    async with opened(served, token, buffer=buffer) as stream:
        assert await stream.chunk() == b":\n\n"
        yield token, stream
