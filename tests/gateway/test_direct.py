"""The short way of `POST /graphql` on real sockets: the same bytes as uvicorn's way, and nothing that hangs, leaks or runs on."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.http.respond import Answer, encode
from gateway.observe.events import Fact, InternalFailure, listen
from gateway.settings import Limits, Settings
from tests.gateway.sockets import (
    GET,
    GUARD,
    HELLO,
    LARGE,
    LAST,
    SIZE,
    SLOW,
    Served,
    Watched,
    body_of,
    connected,
    payload,
    post,
    raw,
    read_one,
    serving,
    talk,
    until,
    well,
)


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[tuple[Served, Served]]:
    """The gateway on the short way, and on uvicorn's."""
    settings = Settings(limits=Limits(body=2_000))
    async with serving(Watched, settings) as direct, serving("httptools", settings) as plain:
        yield direct, plain


CHUNKED = [payload(HELLO, "x"), payload(HELLO, "x" * 3_000)]
CHUNKS = [
    b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (one[:5], len(one) - 5, one[5:])
    for one in CHUNKED
]
MODERN = b"accept: application/graphql-response+json"
SAME: dict[str, tuple[tuple[bytes, ...], tuple[int, ...], int]] = {  # requests, statuses, how many go the short way
    "first and repeated": ((post(HELLO, "a"), post(HELLO, "a"), post(HELLO, "b")), (200, 200, 200, 200), 3),
    "an error of a subgraph": ((post("{ broken }"),) * 2, (200, 200, 200), 2),
    "refused": ((post("{ wrong }"),) * 2, (200, 200, 200), 2),
    "refused, by the newer media type": ((post("{ wrong }", None, MODERN),) * 2, (400, 400, 200), 2),
    "the newer media type": ((post(HELLO, "a", MODERN),) * 2, (200, 200, 200), 2),
    "invalid JSON": ((raw(body=b"{"), raw(body=b""), raw(body=b"[]")), (400, 400, 400, 200), 3),
    "wrong content type": ((raw(body=payload("{ hello }"), kind=b"text/plain"),), (415, 200), 1),
    "content type with a charset": (
        (raw(body=payload("{ hello }"), kind=b"Application/JSON; charset=utf-8"),),
        (200, 200),
        1,
    ),
    "accepts neither": ((post(HELLO, "a", b"Accept: image/png"),), (406, 200), 1),
    "GET": ((GET, GET), (200, 200, 200), 0),
    "PUT": ((post(HELLO, "a", line=b"PUT /graphql HTTP/1.1"),), (405, 200), 0),
    "body over the limit": ((post(HELLO, "x" * 3_000),), (413, 200), 0),
    "body at the limit": ((raw(body=payload(HELLO, "x").ljust(2_000)),), (200, 200), 1),
    "chunked": ((CHUNKS[0], post(HELLO, "a"), CHUNKS[0]), (200, 200, 200, 200), 1),
    "chunked over the limit": ((CHUNKS[1],), (413, 200), 0),
    "no length": ((b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\r\n",), (400, 200), 0),
    "expects 100": ((post(HELLO, "a", b"Expect: 100-continue"),), (100, 200, 200), 0),
    "HTTP/1.0": ((post(HELLO, "a", line=b"POST /graphql HTTP/1.0"),), (200,), 1),
    "HTTP/1.0 keep-alive": ((post(HELLO, "a", b"connection: keep-alive", line=b"POST /graphql HTTP/1.0"),), (200,), 1),
    "Connection: close": ((post(HELLO, "a"), post(HELLO, "a", b"Connection: Close")), (200, 200), 2),
    "upgrade": ((post(HELLO, "a", b"connection: upgrade", b"upgrade: h2c"),), (400, 200), 0),
    "mixed case": ((post(HELLO, "a", b"aCCept: Application/GraphQL-response+JSON"),) * 2, (200, 200, 200), 2),
    "query string": ((post(HELLO, "a", line=b"POST /graphql?x=1 HTTP/1.1"),), (200, 200), 0),
    "absolute address": ((post(HELLO, "a", line=b"POST http://gateway/graphql HTTP/1.1"),), (200, 200), 0),
    "unknown path": ((post(HELLO, "a", line=b"POST /nowhere HTTP/1.1"), post(HELLO, "a")), (404, 200, 200), 1),
    "mutation": ((post("mutation { add }"),) * 2, (200, 200, 200), 2),
    "plan": ((post(HELLO, "a"), post(HELLO, "a", b"X-Gateway-Plan: 1")), (200, 200, 200), 2),
    "a large answer": ((post(LARGE, "a"), post(LARGE, "a")), (200, 200, 200), 2),
}


@pytest.mark.parametrize("name", SAME)
async def test_both_ways_answer_the_same(pair: tuple[Served, Served], name: str) -> None:
    """Status, headers and body are the same byte for byte, the connection lives on or ends alike, and subgraphs see the same."""
    requests, statuses, short = SAME[name]
    for served in pair:
        served.subgraph.calls.clear()
    Watched.short = 0
    direct, plain = [await talk(served, *requests) for served in pair]
    assert direct == plain
    assert tuple(int(one) for one in re.findall(rb"HTTP/1.1 (\d+) ", direct)) == statuses
    assert Watched.short == short
    assert pair[0].subgraph.calls == pair[1].subgraph.calls


@pytest.mark.parametrize(("trusted", "seen"), [("127.0.0.1", "10.1.2.3"), ("10.9.9.9", "127.0.0.1")])
async def test_a_subgraph_sees_the_client_behind_a_trusted_proxy_alone(trusted: str, seen: str) -> None:
    """x-forwarded-for counts when the peer is trusted; else, and without it, the client is the peer."""
    async with serving(forwarded_allow_ips=trusted) as served, connected(served) as (reader, writer):
        for head, who in [((), "127.0.0.1"), ((b"X-Forwarded-For: 10.1.2.3",), seen), ((), "127.0.0.1")]:
            writer.write(post("{ who }", None, *head))
            assert body_of(await read_one(reader)) == {"data": {"who": who}}
        assert Watched.short == 2


async def test_pieces_are_put_together(pair: tuple[Served, Served]) -> None:
    """A request may come byte by byte, head and body; so may those behind it."""
    Watched.pieces = Watched.short = 0
    async with connected(pair[0]) as (reader, writer):
        for name in ("a", "b"):
            for byte in post(HELLO, name):
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert body_of(await read_one(reader)) == {"data": {"hello": name}}
    assert Watched.short == 2
    assert Watched.pieces > 200


@pytest.mark.parametrize("step", [7, 1_000_000])
async def test_pipelined_requests_are_answered_in_order(pair: tuple[Served, Served], step: int) -> None:
    """Twenty requests on either way, sent at once or in pieces, bring twenty answers in their order, each run once."""
    pair[0].subgraph.calls.clear()
    names = [str(number) for number in range(20)]
    others = {"4": GET, "5": LAST.replace(b"connection: close\r\n", b""), "11": raw(line=b"PUT /graphql HTTP/1.1")}
    sent = b"".join(others.get(name) or post(HELLO, name) for name in names)
    async with connected(pair[0]) as (reader, writer):
        for start in range(0, len(sent), step):
            writer.write(sent[start : start + step])
            await asyncio.sleep(0)
        got = [body_of(await read_one(reader)) for _ in names]
    assert got[5] == {"status": "ok"}
    assert got[11]["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
    answers = {name: one["data"]["hello"] for name, one in zip(names, got, strict=True) if name not in ("5", "11")}
    assert answers == {name: None if name == "4" else name for name in answers}
    assert pair[0].subgraph.calls == [answers[name] for name in names if name in answers]


async def test_a_request_waits_behind_a_slow_one() -> None:
    """It neither runs nor is answered before; afterwards the connection takes the short way again."""
    async with serving() as served, connected(served) as (reader, writer):
        writer.write(post(SLOW, "wait"))
        await served.subgraph.started.wait()
        writer.write(post(HELLO, "behind") + GET)
        await until(lambda: len(served.connections[0].pipeline) == 2)
        await well(served)
        assert served.subgraph.calls == ["wait", "new"]
        served.subgraph.go.set()
        got = [body_of(await read_one(reader))["data"] for _ in range(3)]
        assert got == [{"slow": "wait"}, {"hello": "behind"}, {"hello": None}]
        Watched.short = 0
        writer.write(post(HELLO, "later"))
        assert body_of(await read_one(reader)) == {"data": {"hello": "later"}}
        assert Watched.short == 1


@pytest.mark.parametrize("requests", [[post(HELLO, "a")], [GET, post(HELLO, "a")], [post(HELLO, "a"), GET]])
async def test_a_connection_that_rests_is_closed(requests: list[bytes]) -> None:
    """After the time for it, whichever way its last request went."""
    async with serving(timeout_keep_alive=0.1) as served, connected(served) as (reader, writer):
        for request in requests:
            writer.write(request)
            await read_one(reader)
        assert await reader.read() == b""
        await until(lambda: not served.connections)


async def test_a_connection_in_use_is_not_closed() -> None:
    """Neither while requests follow each other, nor while one takes longer than a connection may rest."""
    async with serving(timeout_keep_alive=0.4) as served, connected(served) as (reader, writer):
        for number in range(12):
            writer.write(post(HELLO, str(number)))
            assert body_of(await read_one(reader)) == {"data": {"hello": str(number)}}
            await asyncio.sleep(0.05)
        writer.write(post(SLOW, "wait"))
        await asyncio.sleep(0.6)
        served.subgraph.go.set()
        assert body_of(await read_one(reader)) == {"data": {"slow": "wait"}}


@pytest.mark.parametrize("known", [False, True])
async def test_a_client_that_leaves_ends_its_execution(known: bool) -> None:
    """The subgraph's work is cancelled, of an operation that comes for the first time and of a known one; the server goes on."""
    async with serving() as served:
        if known:
            await talk(served, post(SLOW, "at once"))
        async with connected(served) as (_, writer):
            writer.write(post(SLOW, "wait"))
            await served.subgraph.started.wait()
        async with asyncio.timeout(GUARD):
            await served.subgraph.cancelled.wait()
        await until(lambda: not served.connections)
        await well(served)


@pytest.mark.parametrize("leaving", [0, 1])
async def test_one_of_two_equal_queries_leaves(leaving: int) -> None:
    """They share an execution, which goes on for the other, whoever began it."""
    async with serving() as served:
        await talk(served, post(SLOW, "at once"))
        async with connected(served) as first, connected(served) as second:
            for number, (_, writer) in enumerate((first, second)):
                writer.write(post(SLOW, "wait"))
                await until(lambda n=number: sum(one.exchange is not None for one in served.connections) == n + 1)
            (first, second)[leaving][1].close()
            await until(lambda: len(served.connections) == 1)
            assert not served.subgraph.cancelled.is_set()
            served.subgraph.go.set()
            assert body_of(await read_one((first, second)[1 - leaving][0])) == {"data": {"slow": "wait"}}
        assert served.subgraph.calls == ["at once", "wait"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_client_that_does_not_read_is_not_served_further(at_once: bool) -> None:
    """Its answers wait for it, but few: the next requests are not run, and all is answered rightly once it reads."""
    names = [str(number) for number in range(40)]
    async with serving() as served, connected(served, buffer=8_192) as (reader, writer):
        await until(lambda: served.connections)
        held = served.connections[0]
        for name in names:
            writer.write(post(LARGE, name))
            if not at_once:
                await well(served)
        for _ in range(20):
            await well(served)
        ran = [name for name in served.subgraph.calls if name != "new"]
        assert 0 < len(ran) <= 3
        assert 0 < held.transport.get_write_buffer_size() < 2 * SIZE
        for name in names:
            assert body_of(await read_one(reader)) == {"data": {"large": name + "x" * SIZE}}
        assert [name for name in served.subgraph.calls if name != "new"] == names


@pytest.mark.parametrize("known", [False, True])
async def test_a_graceful_end(known: bool) -> None:
    """What is under way gets its answer and a closed connection; a connection that rests is closed at once."""
    async with serving() as served:
        if known:
            await talk(served, post(SLOW, "at once"))
        async with connected(served) as (reader, writer), connected(served) as (resting, idle):
            idle.write(post(HELLO, "a"))
            await read_one(resting)
            writer.write(post(SLOW, "wait"))
            await served.subgraph.started.wait()
            served.server.should_exit = True
            assert await resting.read() == b""
            assert not served.task.done()
            served.subgraph.go.set()
            got = await read_one(reader)
            assert b"\r\nconnection: close\r\n" in got
            assert body_of(got) == {"data": {"slow": "wait"}}
            assert await reader.read() == b""
            await served.task


NOISE = random.Random(7).randbytes(3_000)
GOOD = post(HELLO, "a")
GARBAGE: dict[str, tuple[bytes, tuple[int, ...]]] = {  # what is sent, and the statuses that come back
    "noise": (NOISE, (400,)),
    "noise in a body": (raw(body=NOISE[:1_500]), (400,)),
    "a head that breaks off": (GOOD[:60], ()),
    "a body that breaks off": (GOOD[:-3], ()),
    "a good request, then a wrong one": (GOOD.replace(b"\r\n\r\n", b"\r\nx: \x00\r\n\r\n"), (400,)),
    "no colon": (raw(b"nonsense"), (400,)),
    "a name with a space": (raw(b"a b: c"), (400,)),
    "a negative length": (raw().replace(b"Length: 0", b"Length: -1"), (400,)),
    "two lengths": (post(HELLO, "a", b"content-length: 3"), (400,)),
    "a length and chunks": (post(HELLO, "a", b"transfer-encoding: chunked"), (400,)),
    "a length beyond numbers": (raw().replace(b"Length: 0", b"Length: 1" + b"0" * 40), (400,)),
    "a length beyond the limit": (raw().replace(b"Length: 0", b"Length: 9999999999999999"), (413,)),
    "a length with zeros": (GOOD.replace(b"Length: ", b"Length: 00000000000000000"), (200,)),
    "a huge header": (post(HELLO, "a", b"x: " + b"y" * 300_000), (200,)),
    "many headers": (post(HELLO, "a", *[b"x-%d: y" % number for number in range(3_000)]), (200,)),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_ends_alike(pair: tuple[Served, Served], name: str) -> None:
    """Either way refuses the same, keeps no connection, and answers the next client."""
    sent, statuses = GARBAGE[name]
    for served in pair:
        got = b""
        async with connected(served) as (reader, writer):
            writer.write(sent)
            for _ in statuses:
                got += await read_one(reader)
            writer.write_eof()
            with suppress(ConnectionResetError):
                got += await reader.read()
        assert tuple(int(one) for one in re.findall(rb"HTTP/1.1 (\d+) ", got)) == statuses
        await until(lambda served=served: not served.connections)
        await well(served)


@pytest.mark.parametrize("known", [False, True])
async def test_a_mistake_of_ours_has_an_id(monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    """What goes wrong where an execution begins is a 500 with the id that is in the log; the connection lives on."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("password=hunter2")

    facts: list[Fact] = []
    stop = listen(facts.append)
    async with serving() as served, connected(served) as (reader, writer):
        if known:
            await talk(served, post(HELLO, "a"))
        monkeypatch.setattr(Gateway, "begin", fail)
        for _ in range(2):
            writer.write(post(HELLO, "a"))
            got = await read_one(reader)
            assert got.startswith(b"HTTP/1.1 500 ")
            assert b"hunter2" not in got
            extensions = body_of(got)["errors"][0]["extensions"]
            assert [fact.id for fact in facts if isinstance(fact, InternalFailure)][-1] == extensions["id"]
        monkeypatch.undo()
        writer.write(post(HELLO, "a"))
        assert body_of(await read_one(reader)) == {"data": {"hello": "a"}}
    stop()


async def test_a_mistake_in_a_callback_has_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one where an answer is written, where nobody awaits; who shares the execution is answered all the same."""

    def fail(answer: Answer) -> bytes:
        if answer.refused is None:
            raise RuntimeError("can't be written")
        return encode(answer)

    async with serving() as served:
        await talk(served, post("{ broken }"))
        monkeypatch.setattr("gateway.http.direct.encode", fail)
        async with connected(served) as (reader, writer):
            for _ in range(2):
                writer.write(post("{ broken }"))
                got = await read_one(reader)
                assert got.startswith(b"HTTP/1.1 500 ")
                assert body_of(got)["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
