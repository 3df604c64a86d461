"""The direct path of `POST /graphql` on real sockets.

It writes the same bytes as uvicorn's path, and leaves nothing that hangs, leaks or keeps running.
"""

import asyncio
import re

import pytest

from tests.gateway.http.sockets import (
    GET,
    GOOD,
    GUARD,
    HELLO,
    LARGE,
    LAST,
    NOISE,
    SIZE,
    Served,
    Watched,
    body_of,
    connected,
    gone,
    payload,
    post,
    raw,
    read_one,
    serving,
    talk,
    under_way,
    until,
    well,
)

CHUNKED = [payload(HELLO, "x"), payload(HELLO, "x" * 3_000)]
CHUNKS = [
    b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
    b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (one[:5], len(one) - 5, one[5:])
    for one in CHUNKED
]
MODERN = b"accept: application/graphql-response+json"
SAME: dict[
    str, tuple[tuple[bytes, ...], tuple[int, ...], int]
] = {  # requests, statuses, how many go the short way
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
    "no length": (
        (b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\r\n",),
        (400, 200),
        0,
    ),
    "expects 100": ((post(HELLO, "a", b"Expect: 100-continue"),), (100, 200, 200), 0),
    "HTTP/1.0": ((post(HELLO, "a", line=b"POST /graphql HTTP/1.0"),), (200,), 1),
    "HTTP/1.0 keep-alive": (
        (post(HELLO, "a", b"connection: keep-alive", line=b"POST /graphql HTTP/1.0"),),
        (200,),
        1,
    ),
    "Connection: close": ((post(HELLO, "a"), post(HELLO, "a", b"Connection: Close")), (200, 200), 2),
    "mixed case": ((post(HELLO, "a", b"aCCept: Application/GraphQL-response+JSON"),) * 2, (200, 200, 200), 2),
    "query string": ((post(HELLO, "a", line=b"POST /graphql?x=1 HTTP/1.1"),), (200, 200), 0),
    "absolute address": ((post(HELLO, "a", line=b"POST http://gateway/graphql HTTP/1.1"),), (200, 200), 0),
    "unknown path": (
        (post(HELLO, "a", line=b"POST /nowhere HTTP/1.1"), post(HELLO, "a")),
        (404, 200, 200),
        1,
    ),
    "mutation": ((post("mutation { add }"),) * 2, (200, 200, 200), 2),
    "plan": ((post(HELLO, "a"), post(HELLO, "a", b"X-Gateway-Plan: only")), (200, 200, 200), 2),
    "a large answer": ((post(LARGE, "a"), post(LARGE, "a")), (200, 200, 200), 2),
}


@pytest.mark.parametrize("name", SAME)
async def test_both_ways_answer_the_same(pair: tuple[Served, Served], name: str) -> None:
    """Both paths write the same bytes, and the same requests reach the subgraph; uvicorn counts the same
    number.
    """
    requests, statuses, short = SAME[name]
    for one in pair:
        one.subgraph.renew()
        one.server.server_state.total_requests = 0
    Watched.short = 0
    direct, plain = [await talk(one, *requests) for one in pair]
    assert direct == plain
    assert tuple(int(one) for one in re.findall(rb"HTTP/1.1 (\d+) ", direct)) == statuses
    assert Watched.short == short
    assert pair[0].subgraph.calls == pair[1].subgraph.calls
    assert len({one.server.server_state.total_requests for one in pair}) == 1


async def test_both_ways_answer_with_the_same_calls(pair: tuple[Served, Served]) -> None:
    """A plan with the calls of its response is the same on both paths, except for the times."""
    found = []
    for one in pair:
        one.subgraph.renew()
        async with connected(one) as (reader, writer):
            writer.write(post(HELLO, "a", b"X-Gateway-Plan: 1"))
            answer = body_of(await read_one(reader))
        for call in answer["extensions"]["plan"]["calls"]:
            assert call.pop("startMs") >= 0
            assert call.pop("durationMs") > 0
        found.append(answer)
    assert found[0] == found[1]
    assert [call["status"] for call in found[0]["extensions"]["plan"]["calls"]] == [200]


@pytest.mark.parametrize(("trusted", "seen"), [("127.0.0.1", "10.1.2.3"), ("10.9.9.9", "127.0.0.1")])
async def test_a_subgraph_sees_the_client_behind_a_trusted_proxy_alone(trusted: str, seen: str) -> None:
    """x-forwarded-for counts only from a trusted peer; otherwise the client's address is the peer's."""
    headers = [("x-trusted", trusted)]
    async with (
        serving(forwarded_allow_ips=trusted, headers=headers) as served,
        connected(served) as (reader, writer),
    ):
        for head, who in [((), "127.0.0.1"), ((b"X-Forwarded-For: 10.1.2.3",), seen), ((), "127.0.0.1")]:
            writer.write(post("{ who }", None, *head))
            got = await read_one(reader)
            assert body_of(got) == {"data": {"who": who}}
            assert (
                b"\r\nx-trusted: %b\r\n" % trusted.encode() in got
            )  # the server's own headers, and no other server's
        assert Watched.short == 2


async def test_pieces_are_put_together(served: Served) -> None:
    """A request may arrive byte by byte, head and body; so may the next one."""
    sent = 0

    def all_there() -> bool:
        return Watched.pieces == sent

    async with connected(served) as (reader, writer):
        for name in ("a", "b"):
            for byte in post(HELLO, name):
                writer.write(bytes([byte]))
                sent += 1
                await until(all_there)
            assert body_of(await read_one(reader)) == {"data": {"hello": name}}
    assert Watched.short == 2


@pytest.mark.parametrize("step", [7, 1_000_000])
async def test_pipelined_requests_are_answered_in_order(served: Served, step: int) -> None:
    """Twenty requests on either path, sent at once or in pieces, get twenty responses in order, each run
    once.
    """
    names = [str(number) for number in range(20)]
    others = {
        "4": GET,
        "5": LAST.replace(b"connection: close\r\n", b""),
        "11": raw(line=b"PATCH /graphql HTTP/1.1"),
    }
    sent = b"".join(others.get(name) or post(HELLO, name) for name in names)
    async with connected(served) as (reader, writer):
        for start in range(0, len(sent), step):
            writer.write(sent[start : start + step])
            await asyncio.sleep(0)
        got = [body_of(await read_one(reader)) for _ in names]
    assert got[5] == {"status": "ok"}
    assert got[11]["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
    answers = {
        name: one["data"]["hello"] for name, one in zip(names, got, strict=True) if name not in ("5", "11")
    }
    assert answers == {name: None if name == "4" else name for name in answers}
    assert served.subgraph.calls == [answers[name] for name in names if name in answers]


@pytest.mark.parametrize("line", [b"POST /graphql HTTP/1.1", b"POST /graphql?x=1 HTTP/1.1"])
async def test_a_request_waits_behind_a_slow_one(served: Served, line: bytes) -> None:
    """A request neither runs nor is answered before the previous one; later requests take the direct path
    again.
    """
    async with connected(served) as (reader, writer):
        writer.write(post(HELLO, "wait", line=line))
        await served.subgraph.started.wait()
        writer.write(post(HELLO, "behind") + GET)
        await until(lambda: len(served.connections[0].pipeline) == 2)
        await well(served)
        assert served.subgraph.calls == ["wait", "new"]
        served.subgraph.go.set()
        got = [body_of(await read_one(reader))["data"] for _ in range(3)]
        assert got == [{"hello": "wait"}, {"hello": "behind"}, {"hello": None}]
        Watched.short = 0
        writer.write(post(HELLO, "later"))
        assert body_of(await read_one(reader)) == {"data": {"hello": "later"}}
        assert Watched.short == 1


@pytest.mark.parametrize("kinds", [[GOOD], [GOOD, GOOD], [GET, GOOD], [GOOD, GET]])
async def test_a_connection_that_rests_is_closed(kinds: list[bytes]) -> None:
    """An idle connection is closed after its time, whichever path its last request took."""
    async with serving(timeout_keep_alive=0.1) as served, connected(served) as (reader, writer):
        for request in kinds:
            writer.write(request)
            await read_one(reader)
            await asyncio.sleep(0.02)
        assert await reader.read() == b""
        await gone(served)


async def test_a_connection_in_use_is_not_closed() -> None:
    """A connection stays open while requests follow each other or one takes long; it is closed when it is
    idle afterwards.
    """
    async with serving(timeout_keep_alive=0.3) as served, connected(served) as (reader, writer):
        for number in range(10):
            writer.write(post(HELLO, str(number)))
            assert body_of(await read_one(reader)) == {"data": {"hello": str(number)}}
            await asyncio.sleep(0.04)
        writer.write(post(HELLO, "wait"))
        await asyncio.sleep(0.4)
        served.subgraph.go.set()
        assert body_of(await read_one(reader)) == {"data": {"hello": "wait"}}
        assert await reader.read() == b""


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("noise", [False, True])
async def test_a_client_that_leaves_ends_its_execution(served: Served, known: bool, noise: bool) -> None:
    """A client that disconnects or sends invalid HTTP cancels its execution, new or cached; the server
    continues.
    """
    query = f"{HELLO} # leaves {known} {noise}"
    if known:
        await talk(served, post(query, "at once"))
    async with connected(served) as (reader, writer):
        writer.write(post(query, "wait"))
        await served.subgraph.started.wait()
        if noise:
            writer.write(NOISE)
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    async with asyncio.timeout(GUARD):
        await served.subgraph.cancelled.wait()
    await gone(served)
    await well(served)


@pytest.mark.parametrize("leaving", [0, 1])
async def test_one_of_two_equal_queries_leaves(served: Served, leaving: int) -> None:
    """A shared execution continues for the other client, whoever started it."""
    await talk(served, post(HELLO, "at once"))
    async with connected(served) as first, connected(served) as second:
        first[1].write(post(HELLO, "wait"))
        await until(lambda: under_way(served) == 1)
        second[1].write(post(HELLO, "wait"))
        await until(lambda: under_way(served) == 2)
        (first, second)[leaving][1].close()
        await until(lambda: len(served.connections) == 1)
        assert not served.subgraph.cancelled.is_set()
        served.subgraph.go.set()
        assert body_of(await read_one((first, second)[1 - leaving][0])) == {"data": {"hello": "wait"}}
    assert served.subgraph.calls == ["at once", "wait"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_client_that_does_not_read_is_not_served_further(served: Served, at_once: bool) -> None:
    """Few responses are buffered for a client that does not read; further requests run when it reads
    again.
    """
    names = [str(number) for number in range(40)]
    async with connected(served, buffer=8_192) as (reader, writer):
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
    """At shutdown requests in progress get their responses and a closed connection; idle connections are
    closed at once.
    """
    async with serving() as served:
        if known:
            await talk(served, post(HELLO, "at once"))
        async with connected(served) as (reader, writer), connected(served) as (resting, idle):
            idle.write(LAST.replace(b"close", b"keep-alive"))
            await read_one(resting)
            writer.write(post(HELLO, "wait"))
            await served.subgraph.started.wait()
            served.server.should_exit = True
            assert await resting.read() == b""
            assert not served.task.done()
            served.subgraph.go.set()
            got = await read_one(reader)
            assert b"\r\nconnection: close\r\n" in got
            assert body_of(got) == {"data": {"hello": "wait"}}
            assert await reader.read() == b""
            await served.task


async def test_a_server_that_may_not_wait_any_longer() -> None:
    """When the time for a graceful shutdown is over, requests in progress are cancelled and their connections
    closed.
    """
    async with serving(timeout_graceful_shutdown=0.1) as served, connected(served) as (reader, writer):
        writer.write(post(HELLO, "wait"))
        await served.subgraph.started.wait()
        served.server.should_exit = True
        assert await reader.read() == b""
        assert served.subgraph.cancelled.is_set()
