"""graphql-sse's single connection mode: one stream for all operations of a client."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.core.clock import FakeClock, run_ready_callbacks
from gateway.http.direct import DirectProtocol
from gateway.settings import (
    AuthenticationSettings,
    CorsSettings,
    IssuerSettings,
    RateRule,
    RateSettings,
    Settings,
    SingleConnectionSettings,
    SubscriptionSettings,
    WebSocketSettings,
)
from tests.gateway.http.raw_clients import SSE, SseEvent, raw_stream
from tests.gateway.http.single import end, opened, post, reserve, sent, single, with_token
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import COUNT, HELD, PRICE, Doors, doors
from tests.gateway.security.test_authenticate import KEY_SET, token

UNKNOWN = "~" + "x" * 43


@pytest.fixture(params=[DirectProtocol, "httptools"], ids=["direct", "asgi"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Doors]:
    """Yield a gateway; afterwards it must have no subscription, and no single connection."""
    async with doors(http=request.param) as found:
        yield found
        await found.left()
        await until(lambda: not found.app.routes.single.connections)


def price(id: str, cents: int = 1) -> dict[str, Any]:
    """Return the message with an event."""
    return {"id": id, "payload": {"data": {"price": {"id": "1", "cents": cents}}}}


async def test_a_token(served: Doors) -> None:
    """A reservation has an unguessable token of its own."""
    first, second = await reserve(served), await reserve(served, "Accept: text/plain")
    assert (first.status, second.status) == (201, 201)
    assert "content-type: text/plain" in first.head
    assert all(re.fullmatch(r"~[\w-]{43}", one.text) for one in (first, second))
    assert first.text != second.text
    for one in list(served.app.routes.single.connections.values()):
        one.end()


async def test_operations_share_a_stream(served: Doors) -> None:
    """Results have the id of their operation; one that ends leaves the others."""
    async with single(served) as (key, stream):
        assert (stream.status, stream.content_type) == (200, "text/event-stream; charset=utf-8")
        for id in ("a", "b"):
            found = await post(served, key, id, PRICE, variables={"id": id})
            assert (found.status, found.text) == (202, "")
        await served.opened(2)
        served.event(0, cents=1)
        assert await stream.event() == SseEvent("next", price("a"))
        served.event(1, cents=2)
        assert await stream.event() == SseEvent("next", price("b", 2))
        assert (await end(served, key, "a")).status == 200
        await until(lambda: len(served.streams.running) == 1)
        served.event(1, cents=3)
        assert await stream.event() == SseEvent("next", price("b", 3))
        served.streams.opened[1].completed()
        assert await stream.event() == SseEvent("complete", {"id": "b"})


async def test_queries_and_mutations(served: Doors) -> None:
    """The result of a query comes by the stream, too, then its end; the id may be used again."""
    async with single(served) as (key, stream):
        for query, data in (("{ y }", {"y": 2}), ("mutation { reprice }", {"reprice": 7})):
            assert (await post(served, key, "a", query)).status == 202
            assert await stream.event() == SseEvent("next", {"id": "a", "payload": {"data": data}})
            assert await stream.event() == SseEvent("complete", {"id": "a"})


async def test_an_operation_before_the_stream(served: Doors) -> None:
    """Results wait for the stream."""
    key = (await reserve(served)).text
    assert (await post(served, key, "a", "{ y }")).status == 202
    async with opened(served, key) as stream:
        assert await stream.event() == SseEvent("next", {"id": "a", "payload": {"data": {"y": 2}}})


async def test_a_source_that_fails(served: Doors) -> None:
    """Errors at the end of a subscription are its last result."""
    async with single(served) as (key, stream):
        await post(served, key, "a", "subscription { unknown }")
        await post(served, key, "a", COUNT)
        (await served.opened()).completed()
        assert await stream.event() == SseEvent("complete", {"id": "a"})


async def test_refusals(served: Doors) -> None:
    """An operation that is refused gets an HTTP reply, and nothing comes by the stream."""
    async with single(served) as (key, stream):
        refused = await post(served, key, "a", "{ unknown }")
        assert (refused.status, refused.code) == (400, "GRAPHQL_VALIDATION_FAILED")
        for id in (None, "", 7, "x" * 257):
            found = await post(served, key, id, "{ y }")
            assert (found.status, found.code) == (400, "BAD_REQUEST")
        line = "POST /graphql HTTP/1.1"
        found = await sent(served, line, with_token(key), "Content-Type: text/plain", body=b"{}")
        assert (found.status, found.code) == (415, "UNSUPPORTED_MEDIA_TYPE")
        found = await sent(served, line, with_token(key), "Content-Type: application/json", body=b"{")
        assert (found.status, found.code) == (400, "INVALID_JSON")
        assert served.subgraphs.asked == []
        await post(served, key, "b", "{ y }")
        assert (await stream.event()).data["id"] == "b"


async def test_unknown_tokens(served: Doors) -> None:
    """Without a reservation there is no stream, and no operation runs."""
    for key, by_url in (
        (UNKNOWN, 404),
        ("99.sock~" + "x" * 43, 404),
        ("none", 400),
        ("../x~" + "x" * 43, 400),
    ):
        assert (await post(served, key, "a", "{ y }")).code == "NOT_FOUND"
        assert (await end(served, key, "a")).status == 404
        found = await sent(served, "GET /graphql HTTP/1.1", with_token(key), f"Accept: {SSE}")
        assert (found.status, found.code) == (404, "NOT_FOUND")
        found = await sent(served, f"GET /graphql?token={key} HTTP/1.1", f"Accept: {SSE}")
        assert found.status == by_url  # without our form it is a query that is missing
    assert served.subgraphs.asked == []


async def test_one_stream_for_each_token(served: Doors) -> None:
    """A second stream is refused with 409, as is an id that is in use."""
    async with single(served) as (key, stream):
        found = await sent(served, "GET /graphql HTTP/1.1", with_token(key), f"Accept: {SSE}")
        assert (found.status, found.code) == (409, "STREAM_CONFLICT")
        assert (await post(served, key, "a", PRICE)).status == 202
        found = await post(served, key, "a", COUNT)
        assert (found.status, found.code) == (409, "STREAM_CONFLICT")
        await served.opened()
        served.event()
        assert await stream.event() == SseEvent("next", price("a"))


async def test_wrong_requests(served: Doors) -> None:
    """DELETE needs an id, GET for another type than SSE is refused, and other methods get 405."""
    async with single(served) as (key, _):
        assert (await end(served, key, None)).code == "BAD_REQUEST"
        assert (await end(served, key, "unknown")).status == 200
        assert (await sent(served, "DELETE /graphql?operationId=a HTTP/1.1")).status == 405
        assert (await sent(served, "PUT /graphql HTTP/1.1", body=b"{}")).status == 405
        found = await sent(served, "GET /graphql HTTP/1.1", with_token(key), "Accept: application/json")
        assert found.status == 406
        found = await sent(served, "PATCH /graphql HTTP/1.1", with_token(key))
        assert (found.status, "allow: GET, POST, PUT, DELETE" in found.head) == (405, True)


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_client_that_leaves(served: Doors, how: str) -> None:
    """The end of the stream ends its operations; the token is not valid any more."""
    async with single(served) as (key, stream):
        await post(served, key, "a", PRICE)
        await served.opened()
        if how == "end":
            stream.writer.close()
        else:
            stream.writer.transport.abort()
        await served.left()
        await until(lambda: not served.app.routes.single.connections)
        assert (await post(served, key, "b", "{ y }")).status == 404


async def test_a_client_that_leaves_before_the_reply(served: Doors) -> None:
    """A query whose request was given up is cancelled, and nothing comes of it."""
    async with single(served) as (key, stream):
        async with raw_stream(served) as client:
            body = orjson.dumps({"query": HELD, "extensions": {"operationId": "a"}})
            lines = [with_token(key), "Content-Type: application/json", f"Content-Length: {len(body)}"]
            text = "\r\n".join(["POST /graphql HTTP/1.1", *lines, "Host: gateway", "", ""])
            client.writer.write(text.encode() + body)
            await until(lambda: served.subgraphs.asked)
        await until(lambda: served.subgraphs.cancelled)
        await post(served, key, "a", "{ y }")
        assert (await stream.event()).data == {"id": "a", "payload": {"data": {"y": 2}}}


async def test_reservations_that_are_not_used() -> None:
    """A reservation expires with its operations, unless its stream is opened."""
    clock = FakeClock()
    async with doors(clock=clock) as served, single(served) as (used, _):
        await post(served, used, "a", PRICE)
        key = (await reserve(served)).text
        await post(served, key, "a", COUNT)
        await served.opened(2)
        await clock.advance(29.0)
        assert len(served.streams.running) == 2
        await clock.advance(2.0)
        assert list(served.app.routes.single.connections) == [used]
        assert len(served.streams.running) == 1
        assert (await post(served, key, "b", "{ y }")).status == 404


async def test_limits() -> None:
    """The connections of a process, and the operations of a connection, are limited."""
    settings = SubscriptionSettings(
        websocket=WebSocketSettings(operations=2), single_connection=SingleConnectionSettings(connections=2)
    )
    async with doors(Settings(subscriptions=settings)) as served, single(served) as (key, stream):
        assert [(await reserve(served)).status for _ in range(2)] == [201, 503]
        assert [(await post(served, key, id, PRICE)).status for id in "ab"] == [202, 202]
        found = await post(served, key, "c", PRICE)
        assert (found.status, found.code) == (429, "OPERATION_LIMIT")
        stream.writer.close()
        await served.left()
        await until(lambda: len(served.app.routes.single.connections) == 1)
        assert (await reserve(served)).status == 201


async def test_the_mode_is_off() -> None:
    """Without the mode its requests are those of any other client."""
    settings = SubscriptionSettings(single_connection=SingleConnectionSettings(enabled=False))
    async with doors(Settings(subscriptions=settings)) as served:
        assert (await reserve(served)).status == 405
        assert orjson.loads((await post(served, UNKNOWN, "a", "{ y }")).text) == {"data": {"y": 2}}


async def test_other_tokens_in_urls() -> None:
    """A parameter `token` of another form is none of ours."""
    async with doors() as served:
        found = await sent(served, "GET /graphql?query={y}&token=secret HTTP/1.1")
        assert orjson.loads(found.text) == {"data": {"y": 2}}


async def test_callers(tmp_path: Path) -> None:
    """A stream is reserved by a caller with a valid token, and each operation has its own."""
    (tmp_path / "jwks.json").write_text(KEY_SET)
    issuer = IssuerSettings("main", jwks_file=str(tmp_path / "jwks.json"))
    rates = RateSettings((RateRule("attempts", requests=6, window=60.0),))
    settings = Settings(authentication=AuthenticationSettings((issuer,), required=True), rates=rates)
    good = f"Authorization: Bearer {token()}"
    async with doors(settings, FakeClock()) as served:
        assert (await reserve(served, "Authorization: Bearer forged")).code == "UNAUTHENTICATED"
        assert (await reserve(served)).status == 401
        key = (await reserve(served, good)).text
        async with opened(served, key, by_url=True) as stream:
            assert stream.status == 200
            refused = await post(served, key, "a", "{ y }", "Authorization: Bearer forged")
            assert (refused.status, refused.code) == (401, "UNAUTHENTICATED")
            accepted = await post(served, key, "a", "{ y }", good)
            assert (accepted.status, 'ratelimit: "attempts";r=1' in accepted.head) == (202, True)
            assert (await stream.event()).data["id"] == "a"
        assert (await reserve(served, "Authorization: Bearer forged")).code == "UNAUTHENTICATED"
        assert (await reserve(served, good)).code == "RATE_LIMITED"


async def test_rates() -> None:
    """Each reservation counts as a request, also without a token; what is refused reserves nothing."""
    rates = RateSettings((RateRule("all", requests=2, window=60.0),))
    async with doors(Settings(rates=rates), FakeClock()) as served:
        found = await reserve(served)
        assert (found.status, 'ratelimit: "all";r=1' in found.head) == (201, True)
        assert [(await reserve(served)).status for _ in range(2)] == [201, 429]
        assert len(served.app.routes.single.connections) == 2


async def test_pages_of_other_sites() -> None:
    """CORS headers are on each reply; a page that can't set headers opens no stream of another site."""
    cors = CorsSettings(origins=("https://app.example",), methods=("GET", "POST", "PUT", "DELETE"))
    origin = "Origin: https://app.example"
    async with doors(Settings(cors=cors)) as served:
        found = await reserve(served, origin)
        assert "access-control-allow-origin: https://app.example" in found.head
        browser = ("User-Agent: Mozilla/5.0", "Sec-Fetch-Site: cross-site", origin)
        line = f"GET /graphql?token={found.text} HTTP/1.1"
        refused = await sent(served, line, f"Accept: {SSE}", *browser)
        assert (refused.status, refused.code) == (400, "CSRF_PREVENTED")
        async with opened(served, found.text, *browser) as stream:
            assert stream.status == 200
            accepted = await post(served, found.text, "a", "{ y }", origin)
            assert "access-control-allow-origin: https://app.example" in accepted.head


@pytest.mark.parametrize("overflow", ["drop", "close"])
async def test_a_client_that_reads_late(overflow: Any) -> None:
    """A full queue drops the oldest events, and says so; or it ends the operations and the stream."""
    settings = Settings(subscriptions=SubscriptionSettings(queue=100_000, overflow=overflow))
    async with doors(settings) as served, single(served, buffer=4_096) as (key, stream):
        await post(served, key, "a", PRICE)
        await served.opened()
        for number in range(60):
            served.event(id="x" * 10_000, cents=number)
            await run_ready_callbacks()
        (connection,) = served.app.routes.single.connections.values()
        assert connection.held.size <= 100_000
        if overflow == "close":
            await served.left()
            text = (await stream.whole()).decode()
            assert "SLOW_CLIENT" in text[-400:]
            assert text.endswith('event: complete\ndata: {"id":"a"}\n\n')
            return
        dropped, last = 0, -1
        while last < 59:
            found = (await stream.event()).data["payload"]
            dropped += found.get("extensions", {}).get("subscription", {}).get("dropped", 0)
            last = found["data"]["price"]["cents"]
        assert dropped > 20


async def test_the_process_ends() -> None:
    """The stream ends without the ends of its operations: so clients connect again."""
    async with doors() as served, single(served) as (key, stream):
        await post(served, key, "a", PRICE)
        await served.opened()
        await served.shut_down()
        assert await stream.whole() == b""
        await served.left()


async def test_subscribing_while_the_process_ends() -> None:
    """An operation that begins too late ends the stream, and is not accepted: the client of graphql-sse does
    not notice the end of a stream without operations. A reservation is refused.
    """
    async with doors() as served, single(served) as (key, stream):
        served.gateway.hub.is_ending = True
        assert (await post(served, key, "a", PRICE)).status == 404
        assert await stream.whole() == b""
        served.app.routes.end_streams()
        assert (await reserve(served)).status == 503


@pytest.mark.parametrize("how", ["stream", "process", "operation"])
async def test_what_ends_before_the_reply(how: str) -> None:
    """A request that waits for its result gets a reply when its stream ends, or when it is ended itself."""
    async with doors() as served, single(served) as (key, stream):
        asked = asyncio.create_task(post(served, key, "a", HELD))
        await until(lambda: served.subgraphs.asked)
        if how == "stream":
            stream.writer.close()
        elif how == "process":
            served.app.routes.end_streams()
        else:
            assert (await end(served, key, "a")).status == 200
        assert ((await asked).status, (await asked).code) == (404, "NOT_FOUND")
        await until(lambda: served.subgraphs.cancelled)


async def test_heartbeats() -> None:
    """An idle stream has heartbeats."""
    async with (
        doors(Settings(subscriptions=SubscriptionSettings(heartbeat=0.02))) as served,
        single(served) as (_, stream),
    ):
        assert [await stream.chunk() for _ in range(3)] == [b":\n\n"] * 3


async def test_a_reload(served: Doors) -> None:
    """Connections remain when the gateway is replaced."""
    async with single(served) as (key, stream):
        await post(served, key, "a", PRICE)
        await served.opened()
        served.app.routes.single.serve(served.app.routes.service.endpoint)
        served.event()
        assert await stream.event() == SseEvent("next", price("a"))
        await asyncio.sleep(0)
