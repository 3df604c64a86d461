"""Streamed responses: each part is sent when it is available, by both doors, and the stream always ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.core.context import RequestContext
from gateway.core.envelope import Envelope
from gateway.observe.facts import Fact, InternalFailure
from gateway.request.graphql_request import GraphQLRequest
from tests.gateway.http.sockets import HELLO, body_of, connected, post, read_one, serving, until

CHUNKED = b"transfer-encoding: chunked\r\n"


class Streaming:
    """Answers every request except `hello` with a stream.

    `go` releases the second part; the query "broken" fails after the first.
    """

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.closed = 0

    def on_request(self, context: RequestContext, ask: GraphQLRequest) -> Envelope | None:
        """The stream."""
        return Envelope(self.parts(ask.query), media="multipart/mixed") if "hello" not in ask.query else None

    async def parts(self, query: str) -> AsyncIterator[bytes]:
        """Yield two parts with an empty one between them, or an endless stream."""
        try:
            yield b"first"
            if "broken" in query:
                raise RuntimeError("hunter2")
            while "endless" in query:
                yield b"x" * 100_000
            await self.go.wait()
            yield b""
            yield b"second"
        finally:
            self.closed += 1


async def read_chunks(reader: asyncio.StreamReader) -> list[bytes]:
    """Return the chunks of a reply up to the last."""
    found = []
    while size := int(await reader.readline(), 16):
        found.append(await reader.readexactly(size))
        assert await reader.readline() == b"\r\n"
    assert await reader.readline() == b"\r\n"
    return found


@pytest.mark.parametrize("door", [b"", b"Expect: nothing"], ids=["direct", "asgi"])
async def test_a_part_leaves_when_it_is_there(door: bytes) -> None:
    """The first part arrives before the second exists; then the connection is reused."""
    plugin = Streaming()
    async with serving(plugins=[plugin]) as served, connected(served) as (reader, writer):
        writer.write(post("{ who }", None, *([door] if door else [])))
        head = await reader.readuntil(b"\r\n\r\n")
        assert CHUNKED in head.lower()
        assert b"content-type: multipart/mixed; charset=utf-8\r\n" in head
        assert b"content-length" not in head
        assert await reader.readline() == b"5\r\n"
        assert await reader.readexactly(7) == b"first\r\n"
        plugin.go.set()
        assert await read_chunks(reader) == [b"second"]
        writer.write(post(HELLO, "a"))
        assert body_of(await read_one(reader)) == {"data": {"hello": "a"}}


@pytest.mark.parametrize("door", [b"", b"Expect: nothing"], ids=["direct", "asgi"])
async def test_a_stream_that_breaks_is_cut_off(door: bytes) -> None:
    """A failed stream never looks complete; the exception is logged, not sent."""
    facts: list[Fact] = []
    async with serving(plugins=[Streaming()]) as served:
        served.observer.listen(facts.append)
        async with connected(served) as (reader, writer):
            writer.write(post("{ broken: who }", None, *([door] if door else [])))
            got = await reader.read()
        assert b"first" in got
        assert not got.endswith(b"0\r\n\r\n")
        assert b"hunter2" not in got
        assert [type(fact) for fact in facts] == [InternalFailure]


@pytest.mark.parametrize("door", [b"", b"Expect: nothing"], ids=["direct", "asgi"])
async def test_a_client_that_leaves_ends_its_stream(door: bytes) -> None:
    """When the client disconnects, the stream's source is closed; a client that does not read delays only its
    own parts.
    """
    plugin = Streaming()
    async with serving(plugins=[plugin]) as served:
        async with connected(served, 1_000) as (reader, writer):
            writer.write(post("{ endless: who }", None, *([door] if door else [])))
            await reader.readuntil(b"first")
            sizes = set()
            for _ in range(50):
                await asyncio.sleep(0.002)
                sizes.add(
                    max((one.transport.get_write_buffer_size() for one in served.connections), default=0)
                )
            assert max(sizes) < 1_000_000
        await until(lambda: plugin.closed == 1)


async def test_an_old_client_reads_to_the_end() -> None:
    """HTTP/1.0 has no chunks: the reply ends with the connection."""
    plugin: Any = Streaming()
    plugin.go.set()
    async with serving(plugins=[plugin]) as served, connected(served) as (reader, writer):
        writer.write(post("{ who }", None, line=b"POST /graphql HTTP/1.0"))
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        assert rest == b"firstsecond"
        assert CHUNKED not in head.lower() + b"\r\n"
