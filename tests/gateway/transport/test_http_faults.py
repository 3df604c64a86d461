"""Calls over HTTP to servers that misbehave: each fault has its code, and no call hangs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.core.errors import SettingsError, SubgraphError
from gateway.settings import Wire
from gateway.transport.headers import Headers
from gateway.transport.http import HttpTransport
from tests.gateway.support import payload_from

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b'{"data":{"x":1}}'


@asynccontextmanager
async def subgraph(handler: Handler, max_reply: int = 1_000_000) -> AsyncIterator[HttpTransport]:
    """Yield a transport to a server on a free port whose connections `handler` serves."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = HttpTransport({"a": f"http://127.0.0.1:{port}/graphql"}, Wire(max_reply=max_reply))
    try:
        yield transport
    finally:
        await transport.close()
        server.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return one request's head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head, await reader.readexactly(length)


def reply(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    """Return a plain HTTP reply."""
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n%b\r\n%b" % (status, len(body), more, body)


def answering(raw: bytes, then_close: bool = True) -> Handler:
    """Return a handler that answers one request with some bytes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(raw)
        if then_close:
            writer.close()
        else:
            await reader.read()
            writer.close()

    return handle


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "SUBGRAPH_UNREACHABLE"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", "SUBGRAPH_UNREACHABLE"),
        (b"not http at all\r\n\r\n", "SUBGRAPH_BAD_RESPONSE"),
        (reply(b"<html>"), "SUBGRAPH_BAD_RESPONSE"),
        (reply(b"\xff\xfe"), "SUBGRAPH_BAD_RESPONSE"),
        (reply(b"{" * 100_000), "SUBGRAPH_BAD_RESPONSE"),
        (reply(b"<html>", b"502 Bad Gateway"), "SUBGRAPH_HTTP_ERROR"),
        (reply(b'{"detail":"x"}', b"401 Unauthorized"), "SUBGRAPH_HTTP_ERROR"),
        (reply(b'"' + b"x" * 2_000_000 + b'"'), "SUBGRAPH_BAD_RESPONSE"),
        (reply(OK, more=b"x-a: " + b"a" * 1_000_000 + b"\r\n"), "SUBGRAPH_BAD_RESPONSE"),
        (reply(OK, more=b"x-a: " + b"a" * 1_000_000), "SUBGRAPH_BAD_RESPONSE"),
        (reply(OK, more=b"".join(b"x-%d: a\r\n" % n for n in range(100_000))), "SUBGRAPH_BAD_RESPONSE"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            "SUBGRAPH_BAD_RESPONSE",
        ),
        (reply(OK, more=b"content-length: 3\r\n"), "SUBGRAPH_BAD_RESPONSE"),
        (reply(OK, more=b"transfer-encoding: chunked\r\n"), "SUBGRAPH_BAD_RESPONSE"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + OK, "SUBGRAPH_BAD_RESPONSE"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "SUBGRAPH_BAD_RESPONSE"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{", "SUBGRAPH_UNREACHABLE"),
    ],
)
async def test_faults_have_codes(raw: bytes, code: str) -> None:
    """Whatever a server sends instead of a reply becomes an error of the subgraph, with its code."""
    async with subgraph(answering(raw)) as transport:
        with pytest.raises(SubgraphError) as caught:
            await payload_from(transport, 5)
    assert (caught.value.code, caught.value.subgraph) == (code, "a")


async def test_silence_ends_with_the_time_out() -> None:
    """A server that accepts the connection and sends nothing fails after the timeout."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with subgraph(silent) as transport:
        with pytest.raises(SubgraphError) as caught:
            await payload_from(transport, 0.1)
    assert caught.value.code == "SUBGRAPH_TIMEOUT"


async def test_nobody_listens() -> None:
    """A closed port, and a subgraph without a URL, are unreachable."""
    transport = HttpTransport({"a": "http://127.0.0.1:9/graphql"})
    for name in "ab":
        with pytest.raises(SubgraphError) as caught:
            await payload_from(transport, 2, subgraph=name)
        assert caught.value.code == "SUBGRAPH_UNREACHABLE"


async def test_chunked_replies_and_graphql_errors_with_a_status() -> None:
    """Chunked bodies are joined; a GraphQL response is valid with any status."""
    chunked = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n"
        + OK[:6]
        + b"\r\n%x\r\n" % len(OK[6:])
        + OK[6:]
        + b"\r\n0\r\n\r\n"
    )
    async with subgraph(answering(chunked)) as transport:
        assert await payload_from(transport, 5) == json.loads(OK)
    async with subgraph(answering(reply(b'{"errors":[{"message":"x"}]}', b"400 Bad Request"))) as transport:
        assert await payload_from(transport, 5) == {"errors": [{"message": "x"}]}


async def test_a_body_of_a_hundred_megabytes_is_given_up_early() -> None:
    """A body that is too large is not read to its end: the connection is closed when the limit is
    exceeded.
    """
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(100):
                writer.write(b" " * 1_000_000)
                await writer.drain()
                sent += 1
        writer.close()

    async with subgraph(endless) as transport:
        with pytest.raises(SubgraphError) as caught:
            await payload_from(transport, 10)
        await asyncio.sleep(0.05)
    assert caught.value.code == "SUBGRAPH_BAD_RESPONSE"
    assert sent < 50


async def test_a_reply_may_be_announced() -> None:
    """Interim responses (RFC 9110, 15.2) are not the reply."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    async with subgraph(answering(early + reply(OK))) as transport:
        assert await payload_from(transport, 5) == json.loads(OK)


async def test_a_reply_without_a_length_ends_with_its_connection() -> None:
    """A reply without a length ends with its connection, as in HTTP/1.0."""
    for version in (b"1.0", b"1.1"):
        async with subgraph(answering(b"HTTP/%b 200 OK\r\n\r\n" % version + OK)) as transport:
            assert await payload_from(transport, 5) == json.loads(OK)


@pytest.mark.parametrize("extra", [reply(b'{"data":{"x":2}}'), b"HTTP/1.1 200", b"junk"])
async def test_bytes_after_a_reply_answer_nobody(extra: bytes) -> None:
    """Bytes after a reply never count as the reply to the next request."""
    connections = 0

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(reply(OK) + extra)
        await reader.read()
        writer.close()

    async with subgraph(talkative) as transport:
        for _ in range(3):
            assert await payload_from(transport, 5) == json.loads(OK)
    assert connections == 3


async def test_connections_are_kept_and_a_closed_one_is_replaced() -> None:
    """Requests share a connection; one that the server closed while idle is replaced without an error."""
    connections = 0
    heads: list[bytes] = []

    async def two_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            head, _body = await read_request(reader)
            heads.append(head)
            writer.write(reply(OK))
        writer.close()

    async with subgraph(two_each) as transport:
        for _ in range(6):
            assert await payload_from(transport, 5) == json.loads(OK)
    assert connections == 3
    assert heads[0].startswith(b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:")


async def test_a_mutation_is_never_sent_twice() -> None:
    """A mutation that may have reached the subgraph fails instead of being repeated."""
    count = 0

    async def once_then_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        await read_request(reader)
        count += 1
        if count == 1:
            writer.write(reply(OK))
            await read_request(reader)
            count += 1
        writer.close()

    async with subgraph(once_then_hang_up) as transport:
        await payload_from(transport, 5)
        with pytest.raises(SubgraphError):
            await payload_from(transport, query="mutation{x}", repeatable=False)
    assert count == 2


async def test_a_mutation_takes_no_connection_that_was_idle_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query may use a connection that was idle for long, since it can be repeated; a mutation gets a new
    one.
    """
    connections = 0

    async def many(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            try:
                await read_request(reader)
            except asyncio.IncompleteReadError:
                return writer.close()
            writer.write(reply(OK))

    async with subgraph(many) as transport:
        await payload_from(transport)
        for _ in range(2):
            await payload_from(transport, query="mutation{x}", repeatable=False)
        assert connections == 1
        monkeypatch.setattr("gateway.transport.exchange.MAX_IDLE_FOR_MUTATION", 0.0)
        await payload_from(transport, query="mutation{x}", repeatable=False)
        assert connections == 2
        await payload_from(transport, 5)
        assert connections == 2


async def test_a_caller_that_leaves_frees_its_connection() -> None:
    """Cancelling a request closes its connection, and the next one works."""
    first = True

    async def hang_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        await read_request(reader)
        if first:
            first = False
            await reader.read()
        else:
            writer.write(reply(OK))
        writer.close()

    async with subgraph(hang_once) as transport:
        task = asyncio.ensure_future(payload_from(transport, 5))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await payload_from(transport, 5) == json.loads(OK)


async def test_headers_cannot_smuggle() -> None:
    """A header value with a line break is not sent."""
    heads: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(reply(OK))
        writer.close()

    async with subgraph(note) as transport:
        headers = (("authorization", "x\r\nx-admin: 1"), ("accept-language", "de"))
        await payload_from(transport, headers=Headers.of(headers))
    assert b"x-admin" not in heads[0]
    assert b"accept-language: de\r\n" in heads[0]


@pytest.mark.parametrize(
    "url", ["localhost:4001", "ftp://x/", "http://", "http://a b/", "http://x:99999/", "http://x\r\n/"]
)
def test_addresses_are_checked(url: str) -> None:
    """An invalid URL is refused with the subgraph's name."""
    with pytest.raises(SettingsError, match="subgraph a"):
        HttpTransport({"a": url})
