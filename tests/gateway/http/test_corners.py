"""Unusual HTTP/1.1 requests (`corners`), on the direct path and on uvicorn's, in pieces of any size."""

import asyncio
import gc
import re
from contextlib import suppress

import pytest

from tests.gateway.http.corners import ASKED, CORNERS, UPGRADE, chunks, head, in_chunks, whole
from tests.gateway.http.sockets import (
    HELLO,
    LAST,
    Served,
    Watched,
    body_of,
    connected,
    post,
    read_one,
    serving,
    until,
    well,
)

WAYS = {"short": b"/graphql", "uvicorn's": b"/graphql?way=long"}


def to(way: str, request: bytes) -> bytes:
    """Return the request with the target of one of the paths."""
    path = WAYS[way]
    more = path + (b"&" if b"?" in path else b"?")
    return request.replace(b"PATH?", more).replace(b"PATH", path)


async def everything(served: Served, sent: bytes, step: int) -> bytes:
    """Return all bytes that come back for some bytes, sent in pieces of a size."""
    async with connected(served) as (reader, writer):
        for start in range(0, len(sent), step):
            if reader.at_eof():
                break
            writer.write(sent[start : start + step])
            await asyncio.sleep(0)
        with suppress(ConnectionResetError):
            return await reader.read()
    return b""


def statuses(got: bytes) -> tuple[int, ...]:
    """Return the statuses of replies."""
    return tuple(int(one) for one in re.findall(rb"HTTP/1.1 (\d+) ", got))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", [11, 1_000, 10_000_000])
@pytest.mark.parametrize("name", CORNERS)
async def test_a_corner(served: Served, name: str, way: str, step: int) -> None:
    """The expected statuses come back, and no part of the request counts as the next request."""
    sent, expected = CORNERS[name]
    if len(sent) // step > 1_000:
        step = 1_000
    behind = b"" if expected in ((200,), (413,)) else LAST
    assert statuses(await everything(served, to(way, sent) + behind, step)) == expected
    await well(served)


@pytest.mark.parametrize("way", WAYS)
async def test_an_ignored_upgrade_is_answered_in_full(served: Served, way: str) -> None:
    """A request with an upgrade gets the same response as without, in the order of the requests, and runs
    once.
    """
    requests = [
        post(HELLO, "0"),
        *(to(way, whole(*UPGRADE, body=post(HELLO, n).split(b"\r\n\r\n")[1])) for n in "123"),
    ]
    async with connected(served) as (reader, writer):
        writer.write(b"".join(requests))
        got = [await read_one(reader) for _ in requests]
    assert [body_of(one)["data"]["hello"] for one in got] == ["0", "1", "2", "3"]
    assert served.subgraph.calls == ["0", "1", "2", "3"]
    assert {one.partition(b"\r\n\r\n")[0].split(b"\r\ncontent-length")[0][-30:] for one in got} == {
        got[0].partition(b"\r\n\r\n")[0].split(b"\r\ncontent-length")[0][-30:]
    }


async def test_an_ignored_upgrade_takes_the_short_way(served: Served) -> None:
    """A Java client sends an upgrade with every request; such requests also take the direct path."""
    await everything(served, to("short", whole(*UPGRADE)) + LAST, 1_000)
    assert Watched.short == 1


async def test_an_upgrade_waits_behind_a_slow_request(served: Served) -> None:
    """A request with an upgrade waits for the previous response, like any pipelined request."""
    async with connected(served) as (reader, writer):
        writer.write(post(HELLO, "wait"))
        await served.subgraph.started.wait()
        writer.write(to("short", whole(*UPGRADE)) + to("short", in_chunks(*UPGRADE)))
        await until(lambda: len(served.connections[0].pipeline) == 2)
        assert served.subgraph.calls == ["wait"]
        served.subgraph.go.set()
        got = [body_of(await read_one(reader))["data"]["hello"] for _ in range(3)]
    assert got == ["wait", "a", "a"]


async def test_a_websocket_is_told_what_to_do(served: Served) -> None:
    """A WebSocket is refused; the message says that operations are sent by POST."""
    asked = head(b"Connection: upgrade", b"Upgrade: websocket", line=b"GET PATH HTTP/1.1")
    async with connected(served) as (reader, writer):
        writer.write(to("short", asked))
        got = await read_one(reader)
    (error,) = body_of(got)["errors"]
    assert error["extensions"]["code"] == "SUBSCRIPTIONS_NOT_SERVED"
    assert "WebSocket" in error["message"] and "POST" in error["message"]


@pytest.mark.parametrize("way", WAYS)
async def test_trailers_are_no_headers(served: Served, way: str) -> None:
    """Trailers after a body never count as headers, which a proxy may have checked."""
    body = post("{ who }").split(b"\r\n\r\n", 1)[1]
    trailer = b"X-Forwarded-For: 10.9.9.9\r\nAccept: image/png\r\n"
    sent = head(b"Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailer)
    async with connected(served) as (reader, writer):
        writer.write(to(way, sent))
        assert body_of(await read_one(reader)) == {"data": {"who": "127.0.0.1"}}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (head(line=b"CONNECT x:80 HTTP/1.1"), "not a proxy"),
        (whole(line=b"POST PATH HTTP/2.0"), "expected HTTP/1.0 or HTTP/1.1, got HTTP/2.0"),
        (head(host=None), "expected one Host header, got 0"),
        (head(b"host: y", b"host: z"), "expected one Host header, got 3"),
        (head(b"transfer-encoding: b\xe9, chunked") + chunks(), r"got 'b\\xe9, chunked'"),
        (b"GET /" + b"y" * 70_000, "at most 65,536 bytes"),
        (in_chunks(extension=b";" + b"a" * 300_000), "chunk extensions and trailers"),
    ],
)
async def test_a_refusal_says_why(served: Served, request_: bytes, words: str) -> None:
    """The reason of a refusal also reaches a client that is still sending."""
    async with connected(served) as (reader, writer):
        writer.write(to("short", request_))
        got = await read_one(reader)
        for _ in range(20):
            writer.write(b"more")
            await asyncio.sleep(0)
        assert await reader.read() == b""
    assert words in got.decode()
    assert b"\r\nconnection: close\r\n" in got


async def test_a_refused_client_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused client that neither reads nor disconnects is closed after a moment; further bytes are not
    parsed.
    """
    monkeypatch.setattr("gateway.http.strict.LINGER", 0.05)
    async with serving() as served, connected(served) as (_, writer):
        writer.write(head(host=None) + post(HELLO, "never"))
        await until(lambda: served.connections and served.connections[0].refused)
        writer.write(post(HELLO, "never"))
        await until(lambda: not served.connections)
        assert served.subgraph.calls == []


@pytest.mark.parametrize(
    "asked", [post(HELLO, "wait"), post(HELLO, "wait", line=b"POST /graphql?x HTTP/1.1")]
)
async def test_a_refusal_ends_what_is_under_way(served: Served, asked: bytes) -> None:
    """A refusal cancels the request in progress, and its response is not written after the refusal."""
    async with connected(served) as (reader, writer):
        writer.write(asked)
        await served.subgraph.started.wait()
        writer.write(head(host=None))
        got = await reader.read()
    async with asyncio.timeout(10):
        await served.subgraph.cancelled.wait()
    assert statuses(got) == (400,)


@pytest.mark.parametrize("wrong", [b"\x00", head(host=None), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
@pytest.mark.parametrize(
    "asked",
    [
        whole(b"Expect: 100-continue"),
        whole(b"Expect: 100-continue") + whole(),
        in_chunks(b"Expect: 100-continue") + whole(b"Expect: 100-continue") + in_chunks(*UPGRADE),
        head(b"Expect: 100-continue", b"Transfer-Encoding: chunked") + b"zz\r\n",
        head(line=b"GET /health/live HTTP/1.1") * 2,
    ],
)
async def test_nothing_is_written_behind_a_refusal(asked: bytes, wrong: bytes) -> None:
    """Neither `100 Continue` nor the rest of a response is written after a refusal."""
    mistakes: list[object] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: mistakes.append(context))
    try:
        async with serving() as served, connected(served) as (reader, writer):
            writer.write(to("short", asked) + wrong)
            got = await reader.read()
            assert got.count(b"HTTP/1.1 4") == 1
            assert got.rpartition(b"HTTP/1.1 ")[2].startswith(b"4")
        gc.collect()  # a task that failed is reported when it goes
        assert mistakes == []
    finally:
        loop.set_exception_handler(before)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sent", [whole(*UPGRADE)[:-5], in_chunks(*UPGRADE)[:-9], head(*UPGRADE)[:-2]])
async def test_a_client_that_leaves_in_the_middle(served: Served, way: str, sent: bytes) -> None:
    """A client that disconnects within a request with an upgrade leaves nothing open, and nothing runs."""
    async with connected(served) as (reader, writer):
        writer.write(to(way, sent))
        await asyncio.sleep(0.01)
        writer.write_eof()
        assert await reader.read() == b""
    assert served.subgraph.calls == []
    await well(served)


async def test_a_get_with_an_upgrade_and_a_body(served: Served) -> None:
    """The body belongs to the GET request, not to another protocol."""
    got = await everything(served, to("short", whole(*UPGRADE, line=ASKED)) + LAST, 1_000)
    assert statuses(got) == (200, 200)
