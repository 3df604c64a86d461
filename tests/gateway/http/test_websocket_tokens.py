"""The identity of a client over WebSocket: headers of the handshake, payloads, and new tokens in pings."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.core.clock import FakeClock
from gateway.http.websocket_door import LONGEST_VALUE
from gateway.settings import (
    AuthenticationSettings,
    HeaderRules,
    IssuerSettings,
    Settings,
    SubscriptionSettings,
)
from tests.gateway.http.raw_clients import LEGACY_WS, TRANSPORT_WS, Closed, RawSocket, ready, websocket
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import PRICE, Doors, doors
from tests.gateway.security.test_authenticate import KEY_SET, NEW, token

FORWARDED = HeaderRules(forward=("authorization", "x-internal", "graphql-client-name"))


def bearer(**claims: Any) -> str:
    """Return the header's value for a valid token."""
    return f"Bearer {token(**claims)}"


@pytest.fixture
async def served() -> AsyncIterator[Doors]:
    """Yield a gateway that knows no tokens."""
    async with doors(Settings(headers=FORWARDED)) as found:
        yield found


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that the test moves; the tokens are valid for ten minutes from its beginning."""
    return FakeClock()


@pytest.fixture
async def guarded(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Doors]:
    """Yield a gateway that needs tokens."""
    (tmp_path / "jwks.json").write_text(KEY_SET)
    issuer = IssuerSettings("main", jwks_file=str(tmp_path / "jwks.json"))
    authentication = AuthenticationSettings((issuer,), required=True)
    subscriptions = SubscriptionSettings(check_identity=10.0)
    given = Settings(headers=FORWARDED, authentication=authentication, subscriptions=subscriptions)
    async with doors(given, clock) as found:
        yield found


async def who(client: RawSocket, start: str = "subscribe", **headers: Any) -> Any:
    """Return the Authorization header that a subgraph receives. `headers`: those of this operation."""
    client.send(start, "w", {"query": "{ who }", "extensions": {"headers": headers}})
    found = await client.receive()
    assert (await client.receive())["type"] == "complete"
    return found["payload"]["data"]["who"]


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_where_tokens_come_from(served: Doors, protocol: str) -> None:
    """The payload of `connection_init` goes before the handshake, and an operation's own headers
    before both.
    """
    start = "start" if protocol == LEGACY_WS else "subscribe"
    async with ready(served, protocol=protocol) as client:
        assert await who(client, start) == "nobody"
    async with ready(served, "Authorization: handshake", protocol=protocol) as client:
        assert await who(client, start) == "handshake"
    for payload in (
        {"authorization": "payload"},
        {"Authorization": "payload"},
        {"headers": {"AUTHORIZATION": "payload"}},
    ):
        async with ready(served, "Authorization: handshake", protocol=protocol, **payload) as client:
            assert await who(client, start) == "payload"
            assert await who(client, start, authorization="own") == "own"
            assert await who(client, start) == "payload"


@pytest.mark.parametrize("value", [None, 1, ["a"], {"a": 1}, "x" * (LONGEST_VALUE + 1)])
async def test_values_that_are_no_headers(served: Doors, value: Any) -> None:
    """Values that are no texts, or too long, are ignored."""
    async with websocket(served, "Authorization: handshake") as client:
        client.frame(0x81, orjson.dumps({"type": "connection_init", "payload": {"authorization": value}}))
        assert await client.receive() == {"type": "connection_ack"}
        assert await who(client) == "handshake"


async def test_headers_that_clients_may_not_set(served: Doors) -> None:
    """A payload sets the headers with the identity and the client's name alone: a proxy may have checked
    others.
    """
    async with websocket(served) as client:
        await client.init(**{"x-internal": "forged", "graphql-client-name": "web", "cookie": "a=b"})
        client.subscribe("1", PRICE)
        await served.opened()
        (group,) = served.gateway.hub.all_groups
        assert dict(group.context.headers)["graphql-client-name"] == "web"
        assert group.context.client_name == "web"
        assert not {"x-internal", "cookie"} & set(group.context.headers)


@pytest.mark.parametrize("header", ["", "Bearer forged", "Bearer"])
async def test_callers_that_are_refused(guarded: Doors, header: str) -> None:
    async with websocket(guarded) as client:
        client.send("connection_init", payload={"authorization": header} if header else None)
        assert await client.receive() == Closed(4403, "Forbidden")


async def test_a_token_that_expires(guarded: Doors, clock: FakeClock) -> None:
    """A subscription ends with its token; new operations of the connection are refused."""
    async with ready(guarded, authorization=bearer()) as client:
        client.subscribe("1", PRICE)
        await guarded.opened()
        await pass_time(client, clock, 560)
        guarded.event()
        assert (await client.receive())["type"] == "next"
        await clock.advance(50)
        for id in ("1", "2"):
            found = await client.receive()
            assert (found["id"], found["type"]) == (id, "error")
            code = "SUBSCRIPTION_JWT_EXPIRED" if id == "1" else "UNAUTHENTICATED"
            assert found["payload"][0]["extensions"]["code"] == code
            client.subscribe("2", "{ who }")
        await guarded.left()


async def pass_time(client: RawSocket, clock: FakeClock, seconds: float) -> None:
    """Let time pass, while the client answers pings and receives nothing else."""
    for _ in range(int(seconds) // 40):
        await clock.advance(40)
        client.frame(0x89, b"now")
        while (found := await client.read_frame()) != (0x8A, b"now"):
            assert found == (0x89, b"")


async def test_a_token_that_is_renewed(guarded: Doors, clock: FakeClock) -> None:
    """A ping with a new token of the same caller renews: the stream at the source goes on, and new operations
    use it."""
    renewed = bearer(exp=int(clock.now()) + 6_000)
    async with ready(guarded, authorization=bearer()) as client:
        client.subscribe("1", PRICE)
        stream = await guarded.opened()
        client.send("ping", payload={"authorization": renewed})
        assert (await client.receive())["type"] == "pong"
        await until(
            lambda: (
                [one.context.headers["authorization"] for one in guarded.gateway.hub.all_groups] == [renewed]
            )
        )
        await pass_time(client, clock, 640)
        guarded.event()
        assert (await client.receive())["type"] == "next"
        assert [one is stream for one in guarded.streams.running] == [True]
        assert await who(client) == renewed


@pytest.mark.parametrize(
    "header",
    [
        "Bearer forged",
        bearer(sub="bob"),
        f"Bearer {token(NEW, 'new')}",
        bearer(scope="more"),
    ],
)
async def test_a_token_that_does_not_renew(guarded: Doors, clock: FakeClock, header: str) -> None:
    """A token that is not valid, of another caller, or with other rights changes nothing for what runs."""
    first = bearer()
    async with ready(guarded, authorization=first) as client:
        client.subscribe("1", PRICE)
        await guarded.opened()
        client.send("ping", payload={"authorization": header})
        assert (await client.receive())["type"] == "pong"
        await clock.advance(1)
        assert [one.context.headers["authorization"] for one in guarded.gateway.hub.all_groups] == [first]
        guarded.event()
        assert (await client.receive())["type"] == "next"
        await clock.advance(30)
        guarded.event()
        assert (await client.receive())["type"] == "next"
