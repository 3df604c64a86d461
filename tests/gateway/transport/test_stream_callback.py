"""Tests of subscriptions by HTTP callback: the order of the protocol, wrong posts, heartbeats, the route."""

import json
from typing import Any

import httpx
import pytest

from gateway.app import GatewayApp, create_gateway
from gateway.core.clock import FakeClock, run_ready_callbacks
from gateway.settings import (
    CallbackSettings,
    Settings,
    SubgraphSettings,
    SubgraphSubscriptions,
    SubscriptionSettings,
)
from gateway.transport.base import Call, Reply, call_for
from gateway.transport.fake import FakeTransport
from gateway.transport.stream_callback import CallbackStreams
from tests.gateway.support import supergraph_of
from tests.gateway.transport.streaming import Recorder

SDL = {"a": "type Query { x: Int } type Subscription { count: Int }"}


class Emitter:
    """A subgraph: it posts `check` before it replies, unless `checks` is False."""

    def __init__(self, checks: bool = True, reply: Any = None) -> None:
        self.checks = checks
        self.reply = reply if reply is not None else {"data": None}
        self.clock = FakeClock()
        self.streams = CallbackStreams(FakeTransport(self.asked), "http://gateway/callback/", 5.0, self.clock)
        self.details: dict[str, Any] = {}

    def asked(self, call: Call) -> Any:
        """Receive a subscription."""
        body = json.loads(call.body)
        assert body["query"] == "subscription{count}"
        assert (b"accept", b"application/json;callbackSpec=1.0") in call.headers.raw
        self.details = body["extensions"]["subscription"]
        if self.checks:
            assert self.post("check") == 204
        return self.reply

    def post(self, action: str, **more: Any) -> int:
        """Post to the callback; return the status."""
        name = self.details["subscriptionId"]
        body = {
            "kind": "subscription",
            "action": action,
            "id": name,
            "verifier": self.details["verifier"],
            **more,
        }
        return self.streams.receive(name, json.dumps(body).encode())

    async def open(self) -> tuple[Recorder, Any]:
        """Open a subscription; return what records its events, and its handle."""
        recorder = Recorder()
        handle = self.streams.open(call_for("a", "subscription{count}"), recorder)
        await run_ready_callbacks()
        return recorder, handle


async def test_the_usual_course() -> None:
    """Check, events, completion; then the id is unknown."""
    emitter = Emitter()
    recorder, _ = await emitter.open()
    assert emitter.details["callbackUrl"] == f"http://gateway/callback/{emitter.details['subscriptionId']}"
    assert emitter.details["heartbeatIntervalMs"] == 5_000
    assert emitter.post("next", payload={"data": {"count": 1}}) == 204
    assert emitter.post("check") == 204
    assert emitter.post("complete") == 204
    assert recorder.kinds == ["opened", "event", "completed"]
    assert recorder.events == [{"data": {"count": 1}}]
    assert emitter.post("next", payload={}) == 404 and not emitter.streams.open_streams


async def test_a_completion_with_errors() -> None:
    """Errors at the end reach the client before the end."""
    emitter = Emitter()
    recorder, _ = await emitter.open()
    assert emitter.post("complete", errors=[{"message": "no"}]) == 204
    assert recorder.events == [{"errors": [{"message": "no"}]}] and recorder.kinds[-1] == "completed"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"verifier": "wrong"}, 403),
        ({"verifier": "é"}, 403),
        ({"action": "dance"}, 400),
        ({"kind": "query"}, 400),
        ({"id": "other"}, 400),
        ({"action": "next"}, 400),
        ({"verifier": 5}, 400),
    ],
)
async def test_a_wrong_post(change: dict[str, Any], status: int) -> None:
    """A post that is not the subgraph's, or not of the protocol, changes nothing."""
    emitter = Emitter()
    recorder, _ = await emitter.open()
    assert emitter.post(**{"action": "check", **change}) == status
    assert emitter.streams.receive(emitter.details["subscriptionId"], b"{") == 400
    assert recorder.kinds == ["opened"]


async def test_a_client_that_leaves() -> None:
    """The next post gets 404, so that the subgraph stops."""
    emitter = Emitter()
    _, handle = await emitter.open()
    handle.cancel()
    assert emitter.post("next", payload={"data": {}}) == 404


async def test_missing_heartbeats() -> None:
    """Each post is a sign of life; without any, the stream is broken."""
    emitter = Emitter()
    recorder, _ = await emitter.open()
    for _ in range(4):
        await emitter.clock.advance(10)
        assert emitter.post("check") == 204
    await emitter.clock.advance(20)
    assert recorder.kinds[-1] == "failed" and recorder.error.code == "SUBGRAPH_TIMEOUT"
    assert emitter.post("check") == 404


@pytest.mark.parametrize(
    ("emitter", "names"),
    [
        (Emitter(checks=False), ["failed"]),
        (Emitter(reply=Reply(500, b"broken")), ["failed"]),
        (Emitter(reply={"errors": [{"message": "no"}]}), ["event", "completed"]),
    ],
)
async def test_a_subscription_that_is_refused(emitter: Emitter, names: list[str]) -> None:
    """No check, a status that is no success, and GraphQL errors end the stream."""
    recorder, _ = await emitter.open()
    assert recorder.kinds == names and not emitter.streams.open_streams


async def test_the_route() -> None:
    """A subgraph posts to /callback; without the setting there is nothing."""
    settings = Settings(
        subscriptions=SubscriptionSettings(callback=CallbackSettings("http://here/callback")),
        subgraphs={
            "a": SubgraphSettings(url="http://127.0.0.1:1", subscriptions=SubgraphSubscriptions("callback"))
        },
    )
    for chosen, known in ((settings, True), (Settings(), False)):
        gateway = create_gateway(supergraph_of(SDL), chosen)
        app = GatewayApp(gateway).routes
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            reply = await client.post("/callback/~unknown", content=b"{}")
            assert reply.status_code == 404
            assert ("subscription-protocol" in reply.headers) is known
            if known:
                large = await client.post("/callback/~unknown", content=b"x" * 1_100_000)
                assert large.status_code == 413
