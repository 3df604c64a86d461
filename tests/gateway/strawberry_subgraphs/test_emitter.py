"""The emitter: the order of the protocol, heartbeats, failures of posts, and its end."""

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from graphql import GraphQLError

from gateway.core.clock import run_ready_callbacks
from gateway.strawberry_subgraphs import CallbackEmitter, Delivery
from tests.gateway.strawberry_subgraphs.callbacks import (
    PREFIX,
    SCHEMA,
    VERIFIER,
    App,
    Hang,
    rig,
)
from tests.gateway.support import until

REFUSED = httpx.ConnectError("refused")


async def test_the_usual_course() -> None:
    """Check before the reply, then each event, then complete; each post has the id and the verifier."""
    async with rig() as one:
        reply = await one.subscribe("subscription { count(to: 3) }")
        assert (reply.status_code, reply.json()) == (200, {"data": None})
        assert reply.headers["subscription-protocol"] == "callback/1.0"
        await one.callback.has("check", "next", "next", "next", "complete")
        assert one.callback.events == [{"data": {"count": number}} for number in range(3)]
        assert "errors" not in one.callback.posts[-1]
        assert set(one.callback.urls) == {f"{PREFIX}/id1"}
        for post in one.callback.posts:
            assert (post["kind"], post["id"], post["verifier"]) == ("subscription", "id1", VERIFIER)


async def test_the_reply_comes_after_the_check() -> None:
    """Before the gateway has confirmed the subscription, nothing is read from its source."""
    async with rig(503) as one:
        replying = asyncio.create_task(one.subscribe())
        await until(lambda: len(one.callback.posts) == 1)
        await run_ready_callbacks(50)
        assert not replying.done() and one.app.feed.started == 0
        await one.clock.advance(0.25)
        assert (await replying).status_code == 200
        await one.ready()
        assert one.callback.actions == ["check", "check"]


async def test_events_come_after_the_reply() -> None:
    """Until the reply is sent, the subscription does not start."""
    async with rig() as one:
        request = one.subscribing("subscription { count(to: 1) }")
        bodies = [{"type": "http.request", "body": request.content, "more_body": False}]
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}

        async def receive() -> Any:
            return bodies.pop()

        async def send(_: Any) -> None:
            await run_ready_callbacks(50)
            assert one.callback.actions == ["check"]

        await one.emitter(scope, receive, send)
        await one.callback.has("check", "next", "complete")


async def test_the_context_is_that_of_the_application() -> None:
    """Resolvers see the request's headers, and other extensions, but not the verifier."""
    async with rig() as one:
        headers = {"accept": 'text/html, application/json; CallbackSpec="1.0"', "authorization": "me"}
        await one.subscribe("subscription { whoami }", headers=headers)
        await one.callback.has("check", "next", "complete")
        assert one.callback.events == [{"data": {"whoami": "me {'other': 1}"}}]


async def test_an_event_with_an_error() -> None:
    """It is an event, after which others follow."""
    async with rig() as one:
        await one.subscribe()
        await one.ready()
        one.app.feed.push("no number")
        one.app.feed.push(2)
        one.app.feed.push(None)
        await one.callback.has("check", "next", "next", "complete")
        first, second = one.callback.events
        assert first["data"] is None and first["errors"][0]["path"] == ["numbers"]
        assert second == {"data": {"numbers": 2}}


async def test_an_error_of_the_source() -> None:
    """It is the end: complete with the error."""
    async with rig() as one:
        await one.subscribe()
        await one.ready()
        one.app.feed.push(1)
        one.app.feed.push(GraphQLError("is broken", extensions={"code": "BROKEN"}))
        await one.callback.has("check", "next", "complete")
        (error,) = one.callback.posts[-1]["errors"]
        assert (error["message"], error["extensions"]) == ("is broken", {"code": "BROKEN"})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("subscription { refused }", "not for you"),
        ("subscription { forbidden }", "never"),
        ("subscription { nothing }", "Cannot query field 'nothing' on type 'Subscription'."),
        ("subscription {", "Syntax Error: Expected Name, found <EOF>."),
        ("{ x }", "queries are not allowed"),
        ("", 'Request data is missing a "query" value'),
    ],
)
async def test_what_can_not_be_subscribed(query: str, message: str) -> None:
    """Complete with the errors."""
    async with rig() as one:
        assert (await one.subscribe(query)).status_code == 200
        await one.callback.has("check", "complete")
        assert one.callback.posts[-1]["errors"][0]["message"] == message


async def test_other_requests_go_to_strawberry() -> None:
    """Queries, subscriptions without the extension, and what is no JSON."""
    async with rig() as one:
        query = {"query": "{ x }"}
        assert (await one.client.post("/", json=query)).json() == {"data": {"x": 1}}
        accept = {"accept": "application/json;callbackSpec=1.0"}
        assert (await one.client.post("/", json=query, headers=accept)).json() == {"data": {"x": 1}}
        assert (await one.client.get("/?query={x}", headers=accept)).json() == {"data": {"x": 1}}
        assert (await one.subscribe("{ x }", headers={})).json() == {"data": {"x": 1}}
        newer = {"accept": "application/json;callbackSpec=2.0"}
        assert (await one.subscribe("{ x }", headers=newer)).json() == {"data": {"x": 1}}
        assert (await one.subscribe(headers={"content-type": "text/plain", **accept})).status_code == 400
        assert one.callback.posts == []


async def test_heartbeats() -> None:
    """A check at each interval, between events, until the end."""
    async with rig() as one:
        await one.subscribe(heartbeatIntervalMs=5_000)
        await one.ready()
        await one.clock.advance(4.9)
        assert one.callback.actions == ["check"]
        await one.clock.advance(0.2)
        await one.callback.has("check", "check")
        one.app.feed.push(1)
        await one.callback.has("check", "check", "next")
        await one.clock.advance(5)
        await one.callback.has("check", "check", "next", "check")
        one.app.feed.push(None)
        await one.over()
        await one.clock.advance(60)
        assert one.callback.actions[-1] == "complete" and len(one.callback.posts) == 5


@pytest.mark.parametrize("interval", [0, None, "disabled"])
async def test_no_heartbeats(interval: Any) -> None:
    """Without an interval there is no check after the first one."""
    async with rig() as one:
        await one.subscribe(heartbeatIntervalMs=interval)
        await one.ready()
        await one.clock.advance(100_000)
        assert one.callback.actions == ["check"]


@pytest.mark.parametrize("action", ["next", "check"])
async def test_the_gateway_does_not_know_the_id_any_more(action: str) -> None:
    """The source is closed, and nothing more is posted."""
    async with rig(204, 404) as one:
        await one.subscribe(heartbeatIntervalMs=1_000)
        await one.ready()
        if action == "next":
            one.app.feed.push(1)
            one.app.feed.push(2)
        else:
            await one.clock.advance(1)
        await one.over()
        assert one.callback.actions == ["check", action]


async def test_transient_failures() -> None:
    """The post is repeated with growing pauses; later ones wait, so that the order is kept."""
    async with rig(204, REFUSED, 503, httpx.ReadError("reset"), 429) as one:
        await one.subscribe()
        await one.ready()
        one.app.feed.push(1)
        one.app.feed.push(2)
        for posts, pause in ((2, 0.25), (3, 0.5), (4, 1.0), (5, 2.0)):
            await one.callback.count(posts)
            await one.clock.advance(pause - 0.01)
            assert len(one.callback.posts) == posts
            await one.clock.advance(0.01)
        await one.callback.count(7)
        assert [event["data"]["numbers"] for event in one.callback.events] == [1, 1, 1, 1, 1, 2]
        assert one.app.feed.open == 1 and one.callback.most == 1


async def test_a_heartbeat_waits_for_an_event() -> None:
    """A check that is due between two attempts of an event is posted after it."""
    async with rig(204, 503) as one:
        await one.subscribe(heartbeatIntervalMs=200)
        await one.ready()
        one.app.feed.push(1)
        await one.callback.count(2)
        await one.clock.advance(0.24)
        assert one.callback.actions == ["check", "next"]
        await one.clock.advance(0.01)
        await one.callback.has("check", "next", "next", "check")
        assert one.callback.most == 1


async def test_failures_that_do_not_end(caplog: pytest.LogCaptureFixture) -> None:
    """After the last attempt the source is closed; the log has neither the verifier nor the event."""
    caplog.set_level(logging.DEBUG)
    async with rig(204, *[REFUSED] * 9, delivery=Delivery(attempts=3)) as one:
        await one.subscribe()
        await one.ready()
        one.app.feed.push(12345)
        while one.emitter.active:
            await one.clock.advance(1)
        assert one.callback.actions == ["check", "next", "next", "next"]
    assert "the callback could not be reached (ConnectError), at 3 attempts" in caplog.text
    assert VERIFIER not in caplog.text and "12345" not in caplog.text


@pytest.mark.parametrize("status", [400, 403, 413])
async def test_an_event_that_is_refused(status: int) -> None:
    """It is not repeated; complete says why."""
    async with rig(204, status) as one:
        await one.subscribe()
        await one.ready()
        one.app.feed.push(1)
        await one.callback.has("check", "next", "complete")
        await one.over()
        message = f"an event could not be delivered: the callback replied with HTTP status {status}"
        assert one.callback.posts[-1]["errors"] == [{"message": message}]


async def test_a_redirect_is_not_followed() -> None:
    """Neither at the check, nor later."""
    there = {"location": "http://169.254.169.254/latest"}
    async with rig(there) as one:
        assert (await one.subscribe()).status_code == 502
    async with rig(204, there) as one:
        await one.subscribe()
        await one.ready()
        one.app.feed.push(1)
        await one.over()
    for url in one.callback.urls:
        assert url == f"{PREFIX}/id1"
    assert one.callback.actions == ["check", "next"]


async def test_a_callback_that_hangs() -> None:
    """Each attempt has a timeout."""
    async with rig(*[Hang()] * 2, delivery=Delivery(timeout=3, attempts=2)) as one:
        replying = asyncio.create_task(one.subscribe())
        for _ in range(10):
            await run_ready_callbacks(50)
            await one.clock.advance(1)
        reply = await replying
        assert reply.status_code == 502 and one.callback.actions == ["check", "check"]
        message = "check was not delivered: the callback did not reply within 3 s, at 2 attempts"
        assert reply.json() == {"errors": [{"message": message}]}
        assert one.app.feed.started == 0 and not one.emitter.active


@pytest.mark.parametrize(("status", "expected"), [(404, 409), (403, 502), (400, 502)])
async def test_a_check_that_is_refused(status: int, expected: int) -> None:
    """The subscription does not start."""
    async with rig(status) as one:
        assert (await one.subscribe()).status_code == expected
        assert one.callback.actions == ["check"] and one.app.feed.started == 0


async def test_the_limit_and_equal_ids() -> None:
    """What is too much is refused before a check; the place is free after the end."""
    async with rig(limit=2) as one:
        for name, status in (("a", 200), ("a", 409), ("b", 200), ("c", 503)):
            reply = await one.subscribe(callbackUrl=f"{PREFIX}/{name}", subscriptionId=name)
            assert reply.status_code == status
        await one.ready(2)
        assert len(one.callback.posts) == 2
        one.app.feed.push(None)
        await one.over()
        assert (await one.subscribe()).status_code == 200
        await one.ready()


async def test_the_end_of_the_server() -> None:
    """The lifespan's end closes the sources and tells the gateway; then requests are refused."""
    async with rig() as one:
        for name in ("a", "b"):
            await one.subscribe(callbackUrl=f"{PREFIX}/{name}", subscriptionId=name)
        await one.ready(2)
        incoming = iter(["lifespan.startup", "lifespan.shutdown"])
        sent: list[str] = []

        async def receive() -> dict[str, str]:
            return {"type": next(incoming)}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await one.emitter({"type": "lifespan"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert not one.emitter.active and one.app.feed.open == 0
        assert one.callback.actions == ["check", "check", "complete", "complete"]
        assert one.callback.posts[-1]["errors"] == [{"message": "the subgraph is shutting down"}]
        assert (await one.subscribe()).status_code == 503


async def test_the_end_while_the_callback_hangs() -> None:
    """The last message is not waited for longer than two seconds."""
    async with rig(204, Hang(), Hang()) as one:
        await one.subscribe()
        await one.ready()
        one.app.feed.push(1)
        await until(lambda: len(one.callback.posts) == 2)
        closing = asyncio.create_task(one.emitter.close())
        await until(lambda: len(one.callback.posts) == 3)
        await one.clock.advance(2)
        await closing
        assert one.app.feed.open == 0


async def test_an_event_that_is_no_json(caplog: pytest.LogCaptureFixture) -> None:
    """Complete with an error that has no details; the log has them, without the verifier."""
    async with rig(app=EncodesNoEvents()) as one:
        await one.subscribe("subscription { count(to: 3) }")
        await one.callback.has("check", "complete")
        assert one.callback.posts[-1]["errors"] == [
            {"message": "the subscription has failed in the subgraph"}
        ]
    assert "can't be encoded" in caplog.text and VERIFIER not in caplog.text


class EncodesNoEvents(App):
    """An application whose events are no JSON."""

    def encode_json(self, data: object) -> str:
        """Encode what is no event."""
        if isinstance(data, dict) and "payload" in data:
            raise TypeError("can't be encoded")
        return json.dumps(data)


def test_allowed_is_required() -> None:
    """Without prefixes, or with one that is no URL, there is no emitter."""
    assert CallbackEmitter(SCHEMA, allowed=PREFIX).allowed.prefixes[0].host == "gateway"
    for allowed in ([], [""], ["*"], ["gateway:4000"], ["http://user@gateway/"], ["ftp://gateway/"]):
        with pytest.raises(ValueError, match="allowed"):
            CallbackEmitter(App(), allowed=allowed)
