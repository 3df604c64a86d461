"""Subscriptions over HTTP: Server-Sent Events and multipart, by both protocols of the server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.core.clock import run_ready_callbacks
from gateway.core.errors import SubgraphError
from gateway.http.direct import DirectProtocol
from gateway.settings import Settings, SubscriptionSettings
from tests.gateway.http.raw_clients import MULTIPART, SSE, SseEvent, raw_stream, ready
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import COUNT, NAMED, PRICE, Doors, doors

SSE_HEAD = "text/event-stream; charset=utf-8"
MULTIPART_TYPE = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
END = SseEvent("complete", "")


@pytest.fixture(scope="module", params=[DirectProtocol, "httptools"], ids=["direct", "asgi"])
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[Doors]:
    """Yield a gateway behind each protocol, for all tests of this file."""
    async with doors(http=request.param) as found:
        yield found


@pytest.fixture
async def served(shared: Doors) -> AsyncIterator[Doors]:
    """Yield the gateway; afterwards it must have no subscription."""
    shared.streams.opened.clear()
    shared.subgraphs.asked.clear()
    shared.subgraphs.go = asyncio.Event()
    yield shared
    shared.subgraphs.go.set()
    await shared.left()


def failed(message: str = "has gone") -> SubgraphError:
    """Return the error of a source."""
    return SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph="prices")


async def test_events_over_sse(served: Doors) -> None:
    """The head leaves at once; each event is `next`, and the end is `complete` with an empty line of data."""
    async with raw_stream(served) as client:
        await client.post(NAMED, SSE)
        assert (client.status, client.content_type) == (200, SSE_HEAD)
        assert "\r\ncache-control: no-cache\r\n" in client.head
        assert "\r\nx-accel-buffering: no\r\n" in client.head
        assert await client.chunk() == b":\n\n"
        stream = await served.opened()
        served.event(id="1")
        assert await client.chunk() == b'event: next\ndata: {"data":{"price":{"name":"name 1"}}}\n\n'
        stream.completed()
        assert await client.whole() == b"event: complete\ndata: \n\n"
        await client.post("{ y }", SSE)  # the connection is used again
        assert await client.event() == SseEvent("next", {"data": {"y": 2}})


async def test_events_over_multipart(served: Doors) -> None:
    """Each part arrives with the delimiter after it, so that clients process it at once."""
    async with raw_stream(served) as client:
        await client.post(NAMED, MULTIPART)
        assert (client.status, client.content_type) == (200, MULTIPART_TYPE)
        assert await client.chunk() == b"\r\n--graphql"
        stream = await served.opened()
        served.event(id="1")
        body = b'{"payload":{"data":{"price":{"name":"name 1"}}}}'
        head = b"\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        assert await client.chunk() == head + body + b"\r\n--graphql"
        stream.completed()
        assert await client.whole() == b"--\r\n"


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
async def test_a_stream_that_fails(served: Doors, accept: str) -> None:
    """The error is the last event, or a part without a payload; both streams then end as they should."""
    async with raw_stream(served) as client:
        await client.post(PRICE, accept)
        stream = await served.opened()
        served.event()
        stream.failed(failed())
        if accept == SSE:
            assert (await client.event()).data == {"data": {"price": {"id": "1", "cents": 1}}}
            last = (await client.event()).data
            assert await client.event() == END
            assert await client.whole() == b""
        else:
            assert await client.part() == {"payload": {"data": {"price": {"id": "1", "cents": 1}}}}
            last = await client.part()
            assert last["payload"] is None
            assert await client.whole() == b"--\r\n"
        assert last["errors"][0]["extensions"]["code"] == "SUBGRAPH_UNREACHABLE"


@pytest.mark.parametrize(
    "accept",
    [
        SSE,
        "text/event-stream, multipart/mixed",
        "text/event-stream;q=0.9, multipart/mixed;q=0.8",
        "application/json;q=0.1, text/event-stream",
    ],
)
async def test_who_gets_sse(served: Doors, accept: str) -> None:
    async with raw_stream(served) as client:
        await client.post(COUNT, accept)
        assert client.content_type == SSE_HEAD


@pytest.mark.parametrize(
    "accept",
    [
        'multipart/mixed;subscriptionSpec="1.0"',
        "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json;q=0.9",
        "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,"
        "application/json;q=0.9",
        "multipart/mixed",
        "text/event-stream;q=0.5, multipart/mixed",
    ],
)
async def test_who_gets_multipart(served: Doors, accept: str) -> None:
    async with raw_stream(served) as client:
        await client.post(COUNT, accept)
        assert client.content_type == MULTIPART_TYPE


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/graphql-response+json", "text/*"])
async def test_who_gets_no_stream(served: Doors, accept: str) -> None:
    """A subscription of a client that accepts no stream is refused, and says what to accept."""
    async with raw_stream(served) as client:
        await client.post(COUNT, accept)
        error = (await client.body())["errors"][0]
        code = "NOT_ACCEPTABLE" if accept == "text/*" else "STREAM_NOT_ACCEPTED"
        assert (client.status, error["extensions"]["code"]) == (406, code)
        assert not served.streams.opened


async def test_queries_for_clients_of_streams(served: Doors) -> None:
    """A query is a stream with one event only for a client that accepts nothing else."""
    async with raw_stream(served) as client:
        await client.post("{ y }", SSE)
        assert [await client.event() for _ in range(2)] == [SseEvent("next", {"data": {"y": 2}}), END]
        assert await client.whole() == b""
        await client.post("mutation { reprice }", MULTIPART)
        assert await client.part() == {"payload": {"data": {"reprice": 7}}}
        assert await client.whole() == b"--\r\n"
        await client.post("{ y }", f"{MULTIPART}, application/json")
        assert client.content_type == "application/json; charset=utf-8"
        assert await client.body() == {"data": {"y": 2}}


async def test_refusals_for_clients_of_streams(served: Doors) -> None:
    """An operation that is not valid is one event with the errors over SSE; else it has its usual status."""
    async with raw_stream(served) as client:
        await client.post("subscription { unknown }", SSE)
        assert client.status == 200
        errors = (await client.event()).data["errors"]
        assert errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert await client.event() == END
        await client.whole()
        await client.post("subscription { unknown }", f"{MULTIPART}, application/graphql-response+json")
        assert client.status == 400
        assert (await client.body())["errors"]


async def test_subscriptions_by_get(served: Doors) -> None:
    """EventSource sends GET; a mutation by GET is refused, also as a stream."""
    async with raw_stream(served) as client:
        await client.get(COUNT, SSE)
        assert client.content_type == SSE_HEAD
        (await served.opened()).completed()
        assert await client.event() == END
        await client.whole()
        await client.get("mutation { reprice }", SSE)
        assert (client.status, "allow: POST\r\n" in client.head) == (405, True)
        assert (await client.body())["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
        assert served.subgraphs.asked == []


BROWSER = "User-Agent: Mozilla/5.0"


@pytest.mark.parametrize("query", [COUNT, "{ y }"])
@pytest.mark.parametrize("accept", [SSE, MULTIPART, f"{MULTIPART}, application/json"])
async def test_csrf(served: Doors, query: str, accept: str) -> None:
    """Another site's page can make a browser send a GET with any Accept: nothing is executed."""
    async with raw_stream(served) as client:
        for lines in (["Sec-Fetch-Site: cross-site"], ["Cookie: a=b"], ["Origin: https://evil.example"]):
            await client.get(query, accept, BROWSER, *lines)
            assert client.status == 400
            (error,) = (await client.body())["errors"]
            assert error["extensions"]["code"] == "CSRF_PREVENTED"
        assert not (served.streams.opened or served.subgraphs.asked)
        await client.get(COUNT, accept, BROWSER, "Sec-Fetch-Site: same-origin", "Cookie: a=b")
        assert client.status == 200
        await served.opened()


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 50])
async def test_a_client_that_leaves(served: Doors, accept: str, how: str, turns: int) -> None:
    """The hub forgets a client that disconnects, also while no event comes, and just when one comes."""
    async with raw_stream(served) as client:
        await client.post(PRICE, accept)
        stream = await served.opened()
        served.event()
        await client.chunk()
        await run_ready_callbacks(turns)
        if how == "end":
            client.writer.close()
        else:
            client.writer.transport.abort()
        await served.left()
    assert stream.is_cancelled


async def test_one_leaves_the_others_stay() -> None:
    """Equal subscriptions of three doors are one stream; whoever leaves first, the others receive the
    rest.
    """
    async with (
        doors() as served,
        raw_stream(served) as sse,
        raw_stream(served) as multipart,
        ready(served) as socket,
    ):
        await sse.post(PRICE, SSE)
        await multipart.post(PRICE, MULTIPART)
        socket.subscribe("1", PRICE)
        await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [3])
        assert len(served.streams.opened) == 1
        sse.writer.close()
        await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [2])
        served.event()
        data = {"data": {"price": {"id": "1", "cents": 1}}}
        assert await multipart.part() == {"payload": data}
        assert (await socket.receive())["payload"] == data
        socket.send("complete", "1")
        await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [1])
        served.event()
        assert await multipart.part() == {"payload": data}


async def test_line_breaks_in_events(served: Doors) -> None:
    """A text with line breaks of any kind arrives unchanged, in one line of data."""
    text = "a\nb\r\nc\rd\u2028e\x85f"
    async with raw_stream(served) as client:
        await client.post(PRICE, SSE)
        await served.opened()
        served.event(id=text)
        assert (await client.event()).data["data"]["price"]["id"] == text


def quick(**settings: Any) -> Settings:
    """Return settings with frequent heartbeats."""
    return Settings(subscriptions=SubscriptionSettings(heartbeat=0.02, **settings))


@pytest.mark.parametrize("http", [DirectProtocol, "httptools"])
async def test_heartbeats(http: Any) -> None:
    """An idle stream has heartbeats: a comment over SSE, an empty object over multipart."""
    async with (
        doors(quick(), http=http) as served,
        raw_stream(served) as sse,
        raw_stream(served) as multipart,
    ):
        await sse.post(COUNT, SSE)
        await multipart.post(COUNT, MULTIPART)
        assert [await sse.chunk() for _ in range(4)] == [b":\n\n"] * 4
        assert [await multipart.part() for _ in range(3)] == [{}] * 3


async def test_the_process_ends() -> None:
    """A multipart stream ends with an error and the closing delimiter.

    SSE ends without `complete`, so that clients connect again.
    """
    async with doors() as served, raw_stream(served) as sse, raw_stream(served) as multipart:
        await sse.post(COUNT, SSE)
        await multipart.post(COUNT, MULTIPART)
        await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [2])
        await served.shut_down()
        assert await sse.whole() == b":\n\n"
        last = await multipart.part()
        assert last["payload"] is None
        assert last["errors"][0]["extensions"]["code"] == "SUBSCRIPTION_SERVER_CLOSED"
        assert await multipart.whole() == b"--\r\n"
        assert not served.streams.running


RESUMING: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"extensions": {"subscription": {"cursor": "7"}}}, ()),
    ({}, ("Last-Event-ID: 7",)),
    ({"extensions": {"subscription": {"cursor": "3"}}}, ("Last-Event-ID: 7",)),
]


@pytest.mark.parametrize(("payload", "headers"), RESUMING)
async def test_resuming(payload: dict[str, Any], headers: tuple[str, ...]) -> None:
    """Cursors are the ids of events; a client goes on after that in the header, or in its `extensions`."""
    async with doors(resuming=True) as served, raw_stream(served) as client:
        await client.post(PRICE, SSE, *headers, **payload)
        stream = await served.opened()
        assert stream.after == "7"
        served.event(cursor="8")
        data = {"data": {"price": {"id": "1", "cents": 1}}, "extensions": {"subscription": {"cursor": "8"}}}
        assert await client.event() == SseEvent("next", data, "8")


@pytest.mark.parametrize("cursor", [1, ["7"], "x" * 4_097, {"cursor": {}}])
async def test_cursors_that_are_not_valid(cursor: Any) -> None:
    async with doors(resuming=True) as served, raw_stream(served) as client:
        await client.post(PRICE, SSE, extensions={"subscription": {"cursor": cursor}})
        assert client.status == 400
        assert (await client.body())["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_resuming_over_websocket() -> None:
    async with doors(resuming=True) as served, ready(served) as client:
        extensions = {"subscription": {"cursor": "7"}}
        client.send("subscribe", "1", {"query": PRICE, "extensions": extensions})
        assert (await served.opened()).after == "7"
        served.event(cursor="8")
        assert (await client.receive())["payload"]["extensions"] == {"subscription": {"cursor": "8"}}


EVENT, QUEUE = 10_000, 100_000


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
@pytest.mark.parametrize("http", [DirectProtocol, "httptools"])
async def test_a_client_that_reads_late(accept: str, http: Any) -> None:
    """A slow client misses the oldest events, and the next one says how many; others have each at once."""
    settings = Settings(subscriptions=SubscriptionSettings(queue=QUEUE))
    async with (
        doors(settings, http=http) as served,
        raw_stream(served, 4_096) as late,
        raw_stream(served) as fast,
    ):
        await late.post(PRICE, accept)
        await fast.post(PRICE, SSE)
        await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [2])
        for number in range(100):
            served.event(id="x" * EVENT, cents=number)
            assert (await fast.event()).data["data"]["price"]["cents"] == number
        last, dropped = -1, 0
        while last < 99:
            found = (await late.event()).data if accept == SSE else (await late.part())["payload"]
            number = found["data"]["price"]["cents"]
            notice = found.get("extensions", {}).get("subscription", {}).get("dropped", 0)
            assert number == last + notice + 1
            last, dropped = number, dropped + notice
        assert dropped > 50


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
async def test_a_client_that_never_reads(accept: str) -> None:
    """`overflow: close` ends the stream of a slow client, at its source too, with the code SLOW_CLIENT."""
    settings = Settings(subscriptions=SubscriptionSettings(queue=QUEUE, overflow="close"))
    async with doors(settings) as served, raw_stream(served, 4_096) as late:
        await late.post(PRICE, accept)
        await served.opened()
        for number in range(60):
            served.event(id="x" * EVENT, cents=number)
            await asyncio.sleep(0)
        await served.left()
        assert b"SLOW_CLIENT" in (await late.whole())[-400:]


async def test_subscriptions_are_off() -> None:
    """`subscriptions.enabled: false` refuses them at every door."""
    async with doors(Settings(subscriptions=SubscriptionSettings(enabled=False))) as served:
        async with raw_stream(served) as client:
            await client.post(COUNT, SSE)
            assert client.status == 400
            assert (await client.body())["errors"][0]["extensions"]["code"] == "SUBSCRIPTIONS_NOT_SERVED"
        async with ready(served) as socket:
            socket.subscribe("1", COUNT)
            assert (await socket.receive())["payload"][0]["extensions"]["code"] == "SUBSCRIPTIONS_NOT_SERVED"


async def test_the_limit_of_subscriptions() -> None:
    """Above `subscriptions.limit` another one is refused; one that is equal to a running one is not."""
    settings = Settings(subscriptions=SubscriptionSettings(limit=1))
    async with doors(settings) as served, ready(served) as socket, raw_stream(served) as client:
        socket.subscribe("1", PRICE)
        await served.opened()
        socket.subscribe("2", PRICE)
        socket.subscribe("3", COUNT)
        found = await socket.receive()
        assert (found["id"], found["payload"][0]["extensions"]["code"]) == ("3", "SUBSCRIPTION_LIMIT")
        await client.post(COUNT, SSE)
        assert (await client.event()).data["errors"][0]["extensions"]["code"] == "SUBSCRIPTION_LIMIT"
