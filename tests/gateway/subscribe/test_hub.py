"""Tests of the hub: equal subscriptions share one stream, which ends with its last client."""

import asyncio
from typing import Any

import orjson
import pytest

from gateway.core.context import Identity, RequestContext
from gateway.core.errors import RequestError, SubgraphError
from gateway.core.headers import RequestHeaders
from gateway.guards.base import Guards
from gateway.settings import HeaderRules, Settings, SubscriptionSettings
from gateway.transport.base import Call
from tests.gateway.subscribe.live import NAMED, SDLS, Live, settle

FORWARD = HeaderRules(forward=("authorization",))


async def test_an_event_reaches_all_clients_of_one_stream() -> None:
    """Equal subscriptions have one stream at the subgraph, and one lookup of entities for each event."""
    live = Live()
    clients = [await live.subscribe(NAMED, id="1") for _ in range(3)]
    assert len(live.streams.opened) == 1
    live.event(cents=5)
    await settle()
    assert [one.bodies for one in clients] == [[{"data": {"price": {"name": "name 1", "cents": 5}}}]] * 3
    assert len(live.transport.requests) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [({"id": "1"}, {"id": "2"}), ({"id": "1"}, {"id": "1", "token": "t"}), ({"token": "a"}, {"token": "b"})],
)
async def test_different_subscriptions_share_nothing(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Other variables or other forwarded headers have a stream of their own."""
    live = Live()
    await live.subscribe(**one)
    await live.subscribe(**other)
    assert len(live.streams.opened) == 2


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
async def test_whoever_leaves_first_the_others_go_on(order: tuple[int, ...]) -> None:
    """The stream goes on without any of its clients, and ends with the last one, while it is idle."""
    live = Live()
    clients = [await live.subscribe() for _ in range(3)]
    for number, leaver in enumerate(order):
        assert not live.stream().is_cancelled
        live.event(cents=number)
        await settle()
        for client in order[number:]:
            assert clients[client].bodies[-1]["data"]["price"]["cents"] == number
        clients[leaver].leave()
    assert live.stream().is_cancelled
    assert live.gateway.hub.all_groups == []
    again = await live.subscribe()
    live.event(1)
    await settle()
    assert len(live.streams.opened) == 2 and len(again.bodies) == 1


async def test_a_client_may_leave_while_it_receives() -> None:
    """A sink that detaches itself, or others, in the middle of a part does no harm."""
    live = Live()
    first, second = await live.subscribe(), await live.subscribe()

    def leave_both(_: Any) -> None:
        first.leave()
        second.leave()

    setattr(first, "part", leave_both)  # noqa: B010
    live.event()
    await settle()
    assert second.bodies == [] and live.stream().is_cancelled


async def test_responses_leave_in_the_order_of_events() -> None:
    """The entities of a later event may be there first; its response waits."""
    live = Live()
    gates = [asyncio.Event(), asyncio.Event()]
    replies = live.transport._reply

    async def held(call: Call) -> Any:
        number = int(call.variables["representations"][0]["id"])
        await gates[number].wait()
        return await replies(call)

    setattr(live.transport, "_reply", held)  # noqa: B010
    client = await live.subscribe(NAMED)
    for number in range(2):
        live.event(id=str(number), cents=number)
    gates[1].set()
    await settle()
    assert client.bodies == []
    gates[0].set()
    await settle()
    assert [one["data"]["price"]["cents"] for one in client.bodies] == [0, 1]


async def test_the_end_follows_the_last_event() -> None:
    """The source completes while an event is executed: its response comes first, then the end."""
    live = Live()
    client = await live.subscribe(NAMED)
    live.event()
    live.stream().completed()
    assert not client.is_over
    await settle()
    assert len(client.bodies) == 1 and client.end is not None and client.end.errors == ()


async def test_a_failing_source_ends_the_stream_with_an_error() -> None:
    """An error of the stream reaches every client, with its code and subgraph."""
    live = Live()
    clients = [await live.subscribe() for _ in range(2)]
    live.stream().failed(SubgraphError("is gone", "SUBGRAPH_UNREACHABLE", subgraph="prices"))
    await settle()
    assert [one.code for one in clients] == ["SUBGRAPH_UNREACHABLE"] * 2
    assert live.gateway.hub.all_groups == []


async def test_an_event_with_errors_is_like_any_response() -> None:
    """Errors in an event, and nulls where none may be, are reported as in a query."""
    live = Live()
    client = await live.subscribe("subscription { count }")
    live.stream().event(b'{"data":{"count":null},"errors":[{"message":"no","path":["count"]}]}')
    live.stream().event(b'{"data":{"count":2}}')
    live.stream().event(b"nonsense")
    await settle()
    first, second, third = client.bodies
    assert first["errors"][0]["message"] == "no" and first["data"] is None
    assert second == {"data": {"count": 2}}
    assert third["errors"][0]["extensions"]["code"] == "SUBGRAPH_BAD_RESPONSE"


async def test_too_many_events_drop_the_oldest_and_say_so() -> None:
    """Events that wait for entities are limited; the next response tells how many were dropped."""
    live = Live(Settings(subscriptions=SubscriptionSettings(events=20)))
    gate = asyncio.Event()
    replies = live.transport._reply

    async def held(call: Call) -> Any:
        await gate.wait()
        return await replies(call)

    setattr(live.transport, "_reply", held)  # noqa: B010
    client = await live.subscribe(NAMED)
    for number in range(30):
        live.event(cents=number)
    gate.set()
    await settle()
    seen = [one["data"]["price"]["cents"] for one in client.bodies]
    assert seen == [*range(16), *range(26, 30)]
    notices = [one.get("extensions", {}).get("subscription", {}).get("dropped", 0) for one in client.bodies]
    assert sum(notices) == 10


async def test_a_gap_is_said_with_the_next_event() -> None:
    """What may have been missed is in the extensions of the next response."""
    live = Live()
    client = await live.subscribe()
    live.stream().interrupted("the connection broke")
    live.event()
    live.event()
    await settle()
    assert client.bodies[0]["extensions"] == {"subscription": {"gap": "the connection broke"}}
    assert "extensions" not in client.bodies[1]


async def test_the_number_of_streams_is_limited() -> None:
    """One more than the limit is refused, and nothing of it remains."""
    live = Live(Settings(subscriptions=SubscriptionSettings(limit=2)))
    await live.subscribe(id="1")
    await live.subscribe(id="2")
    with pytest.raises(RequestError) as refused:
        await live.subscribe(id="3")
    assert refused.value.code == "SUBSCRIPTION_LIMIT"
    await live.subscribe(id="2")
    assert len(live.gateway.hub.all_groups) == 2


async def test_many_clients_do_not_hold_up_the_event_loop() -> None:
    """A part for many clients is passed on in several turns of the event loop, in order."""
    live = Live()
    clients = [await live.subscribe() for _ in range(1_200)]
    live.event(cents=1)
    live.event(cents=2)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not all(one.bodies for one in clients)
    await settle()
    assert all([body["data"]["price"]["cents"] for body in one.bodies] == [1, 2] for one in clients)


class Callers:
    """Finds identities by the token: `known` has the rights of each."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, frozenset[str]]] = {
            "a": ("ada", frozenset()),
            "b": ("ada", frozenset()),
        }
        self.asked = 0

    def identify(self, context: RequestContext) -> Identity:
        """Return the identity of a token. Raises RequestError for an unknown one."""
        self.asked += 1
        token = context.headers.get("authorization")
        if token not in self.known:
            raise RequestError("the token has expired", "UNAUTHENTICATED")
        subject, scopes = self.known[token]
        return Identity(subject, scopes, {}, token, authenticated=True)


class Setting:
    """A plugin that sets the identity of each request, as the guard of tokens does."""

    def __init__(self, callers: Callers) -> None:
        self.callers = callers

    def on_request(self, context: RequestContext, request: Any) -> None:
        """Set the identity."""
        context.identity = self.callers.identify(context)


def with_callers() -> tuple[Live, Callers]:
    """Return a gateway that knows its callers."""
    callers = Callers()
    live = Live(Settings(headers=FORWARD), guards=Guards(identity=callers), plugins=(Setting(callers),))
    return live, callers


async def test_a_token_that_is_no_longer_valid_ends_the_stream() -> None:
    """The identity is checked from time to time; the error names the reason."""
    live, callers = with_callers()
    client = await live.subscribe(token="a")
    await live.clock.advance(40)
    assert client.end is None and callers.asked >= 2
    del callers.known["a"]
    await live.clock.advance(40)
    assert client.code == "SUBSCRIPTION_JWT_EXPIRED"
    assert live.stream().is_cancelled


async def test_other_rights_end_the_stream() -> None:
    """A caller that has lost a scope must not go on with the old plan."""
    live, callers = with_callers()
    client = await live.subscribe(token="a")
    callers.known["a"] = ("ada", frozenset({"less"}))
    await live.clock.advance(40)
    assert client.code == "SUBSCRIPTION_JWT_EXPIRED"


@pytest.mark.parametrize("others", [0, 1])
async def test_a_new_token_of_the_same_caller(others: int) -> None:
    """A client goes on with its new token when the old one expires; one that shared its stream does not."""
    live, callers = with_callers()
    client = await live.subscribe(token="a")
    rest = [await live.subscribe(token="a") for _ in range(others)]
    assert client.place is not None
    client.place.renew(live.gateway.context(RequestHeaders([(b"authorization", b"b")], None)))
    del callers.known["a"]
    await live.clock.advance(40)
    assert client.end is None and [one.code for one in rest] == ["SUBSCRIPTION_JWT_EXPIRED"] * others
    number = len(live.streams.opened) - 1
    live.event(number)
    await settle()
    assert len(client.bodies) == 1
    token = dict(live.stream(number).call.headers.raw)[b"authorization"]
    assert token == (b"b" if others else b"a")  # alone, it keeps its stream at the subgraph


@pytest.mark.parametrize("token", ["unknown", "c"])
async def test_a_wrong_new_token_changes_nothing(token: str) -> None:
    """A refused token, and one of another caller, are not used; the old one counts until it expires."""
    live, callers = with_callers()
    callers.known["c"] = ("eve", frozenset())
    client = await live.subscribe(token="a")
    assert client.place is not None
    client.place.renew(live.gateway.context(RequestHeaders([(b"authorization", token.encode())], None)))
    await live.clock.advance(40)
    assert client.end is None
    assert live.gateway.hub.all_groups[0].context.identity.key == "a"


async def test_a_reload_keeps_what_it_does_not_change() -> None:
    """A new supergraph ends the streams whose meaning it changes; the others never notice."""
    live = Live()
    kept, changed = await live.subscribe(), await live.subscribe(NAMED)
    sdls = {**SDLS, "names": SDLS["names"].replace("name: String", "name: String!")}
    after = Live(sdls=sdls, before=live)
    await after.gateway.take_over_subscriptions()
    assert kept.end is None and changed.code == "SUBSCRIPTION_SCHEMA_RELOAD"
    live.event(cents=7)
    await settle()
    assert kept.bodies == [{"data": {"price": {"id": "1", "cents": 7}}}]
    assert len(live.streams.opened) == 2 and after.streams.opened == []


async def test_after_a_reload_entities_come_from_the_new_gateway() -> None:
    """A stream that is kept is executed by the new engine."""
    live = Live()
    client = await live.subscribe(NAMED)
    after = Live(sdls={**SDLS, "other": "type Query { z: Int }"}, before=live)
    await after.gateway.take_over_subscriptions()
    live.event()
    await settle()
    assert client.bodies[0]["data"]["price"]["name"] == "name 1"
    assert (len(live.transport.requests), len(after.transport.requests)) == (0, 1)


async def test_a_field_that_is_gone_ends_its_stream() -> None:
    """A subscription that is no longer valid ends with the reason."""
    live = Live()
    client = await live.subscribe("subscription { count }")
    after = Live(sdls={**SDLS, "prices": SDLS["prices"].replace(" count: Int!", "")}, before=live)
    await after.gateway.take_over_subscriptions()
    assert client.code == "SUBSCRIPTION_SCHEMA_RELOAD"
    assert client.end is not None and "count" in client.end.errors[0]["message"]


async def test_the_end_of_the_process_is_temporary() -> None:
    """Doors learn that clients should subscribe again."""
    live = Live()
    client = await live.subscribe()
    live.gateway.end_streams()
    assert client.code == "SUBSCRIPTION_SERVER_CLOSED"
    assert client.end is not None and client.end.is_temporary


async def test_a_client_that_resumes_joins_the_others_without_a_loss() -> None:
    """It first receives what it has missed, alone; then it shares the stream, each event once and in
    order.
    """
    live = Live(resuming=frozenset({"prices"}))
    shared = await live.subscribe()
    back = await live.subscribe(after="c1")
    assert [one.after for one in live.streams.opened] == [None, "c1"]
    live.event(1, cursor="c2", cents=2)
    live.event(0, cursor="c3", cents=3)
    live.event(1, cursor="c3", cents=3)
    live.stream(1).caught_up()
    await settle()
    assert live.stream(1).is_cancelled and not live.stream(0).is_cancelled
    live.event(0, cursor="c4", cents=4)
    await settle()
    assert back.cursors == ["c2", "c3", "c4"] and shared.cursors == ["c3", "c4"]
    assert orjson.loads(orjson.dumps(back.bodies[0]["extensions"])) == {"subscription": {"cursor": "c2"}}


async def test_a_source_without_cursors_ignores_them() -> None:
    """A cursor for a source that can't resume is not a stream of its own."""
    live = Live()
    await live.subscribe()
    await live.subscribe(after="c1")
    assert len(live.streams.opened) == 1


async def test_plugins_see_each_event() -> None:
    """`on_event` may replace an event; it is called once for all clients."""
    seen = []

    class Watching:
        def on_event(self, context: RequestContext, body: bytes) -> bytes | None:
            seen.append(body)
            return body.replace(b'"cents":1', b'"cents":9')

    live = Live(plugins=(Watching(),))
    clients = [await live.subscribe() for _ in range(2)]
    live.event()
    await settle()
    assert len(seen) == 1
    assert [one.bodies[0]["data"]["price"]["cents"] for one in clients] == [9, 9]
