"""Handshakes of WebSocket at /graphql: who may connect, and what happens to anything else."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest

from gateway.settings import CorsSettings, HeaderRules, Settings, SubscriptionSettings, WebSocketSettings
from tests.gateway.http.raw_clients import (
    KEY,
    LEGACY_WS,
    TRANSPORT_WS,
    Closed,
    RawSocket,
    masked,
    raw_socket,
    ready,
    websocket,
)
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import COUNT, Doors, doors

HANDSHAKE = {
    "Host": "gateway:80",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": TRANSPORT_WS,
}


def with_websockets(**settings: object) -> Settings:
    """Return settings of WebSocket."""
    websocket = WebSocketSettings(**settings)  # type: ignore[arg-type]
    return Settings(subscriptions=SubscriptionSettings(websocket=websocket))


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Doors]:
    """Yield a gateway with the default settings."""
    async with doors() as found:
        yield found


async def head_of(
    served: Doors,
    changes: Mapping[str, str | None] | None = None,
    line: str = "GET /graphql HTTP/1.1",
    origin: str | None = None,
) -> str:
    """Return the head of the response to a handshake with some headers changed, or left out."""
    given = {**HANDSHAKE, "Origin": origin, **(changes or {})}
    lines = [line, *(f"{name}: {value}" for name, value in given.items() if value is not None), "", ""]
    async with raw_socket(served) as client:
        client.writer.write("\r\n".join(lines).encode("latin-1"))
        return (await client.reader.readuntil(b"\r\n\r\n")).decode("latin-1")


def status_of(head: str) -> int:
    """Return the status in a head."""
    return int(head.split(" ")[1])


ACCEPTED: list[dict[str, str | None]] = [
    {},
    {"Connection": "keep-alive, Upgrade"},
    {"Connection": "UPGRADE"},
    {"Upgrade": "WebSocket"},
    {"Sec-WebSocket-Protocol": f"x,{TRANSPORT_WS}"},
    {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
    {"Sec-WebSocket-Extensions": "permessage-deflate; =; ;;,"},
    {"Content-Length": "0"},
]


@pytest.mark.parametrize("changes", ACCEPTED)
async def test_handshakes_that_are_valid(served: Doors, changes: dict[str, str | None]) -> None:
    """The response is that of RFC 6455, without an extension unless one is configured."""
    head = await head_of(served, changes)
    assert status_of(head) == 101
    assert "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert f"\r\nSec-WebSocket-Protocol: {TRANSPORT_WS}\r\n" in head
    assert "extensions" not in head.lower()


REFUSED: list[tuple[dict[str, str | None], int]] = [
    ({"Sec-WebSocket-Version": "12"}, 426),
    ({"Sec-WebSocket-Version": None}, 426),
    ({"Sec-WebSocket-Version": "13, 13"}, 426),
    ({"Sec-WebSocket-Key": "short"}, 400),
    ({"Sec-WebSocket-Key": "\xff" * 24}, 400),
    ({"Sec-WebSocket-Protocol": ""}, 400),
    ({"Sec-WebSocket-Protocol": "\xe9"}, 400),
    ({"Sec-WebSocket-Protocol": "a b"}, 400),
    ({"Sec-WebSocket-Protocol": f"{TRANSPORT_WS}, {TRANSPORT_WS}"}, 400),
    ({"Content-Length": "5"}, 400),
    ({"Host": None}, 400),
    ({"Origin": "https://evil.example"}, 403),
]


@pytest.mark.parametrize(("changes", "status"), REFUSED)
async def test_handshakes_that_are_refused(
    served: Doors, changes: dict[str, str | None], status: int
) -> None:
    """The response says why, and the connection is closed."""
    head = await head_of(served, changes)
    assert status_of(head) == status
    assert "\r\nconnection: close\r\n" in head
    assert ("\r\nsec-websocket-version: 13\r\n" in head) == (status == 426)


OTHER: list[tuple[str, dict[str, str | None], set[int]]] = [
    ("GET /graphql HTTP/1.0", {}, {400}),
    ("GET /graphql HTTP/1.1", {"Sec-WebSocket-Key": None}, {400, 501}),
    ("GET /graphql?query=%7By%7D HTTP/1.1", {}, {200}),
    ("GET /graphql/ HTTP/1.1", {}, {404, 307}),
    ("GET /health/live HTTP/1.1", {}, {200}),
    ("GET /elsewhere HTTP/1.1", {}, {404}),
    ("DELETE /graphql HTTP/1.1", {}, {405}),
]


@pytest.mark.parametrize(("line", "changes", "statuses"), OTHER)
async def test_requests_that_open_no_websocket(
    served: Doors, line: str, changes: dict[str, str | None], statuses: set[int]
) -> None:
    """Everything but a GET of /graphql with a key is answered as if it had no `Upgrade`."""
    assert status_of(await head_of(served, changes, line)) in statuses


async def test_messages_with_the_handshake(served: Doors) -> None:
    """What a client sends with the handshake, without waiting, is not lost."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items())
    async with raw_socket(served) as client:
        head = f"GET /graphql HTTP/1.1\r\n{lines}\r\n".encode()
        client.writer.write(head + masked(0x81, b'{"type":"connection_init"}'))
        assert b" 101 " in await client.reader.readuntil(b"\r\n\r\n")
        assert await client.receive() == {"type": "connection_ack"}


async def test_a_handshake_after_a_request(served: Doors) -> None:
    """A connection may become a WebSocket after a response; not while one is under way."""
    body = b'{"query":"{ y }"}'
    post = (
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    async with raw_socket(served) as client:
        client.writer.write(post % len(body) + body)
        assert await client.reader.readuntil(b'{"data":{"y":2}}')
        await client.open(f"Sec-WebSocket-Protocol: {TRANSPORT_WS}")
        await client.init()
    held = b'{"query":"{ held }"}'
    async with raw_socket(served) as client:
        client.writer.write(post % len(held) + held)
        await client.open(f"Sec-WebSocket-Protocol: {TRANSPORT_WS}")
        assert client.head.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("origin", ["http://gateway:80", "HTTP://GATEWAY:80", "https://gateway:80"])
async def test_the_own_origin(served: Doors, origin: str) -> None:
    """The gateway's own pages may connect, whatever TLS is in front of it."""
    assert status_of(await head_of(served, origin=origin)) == 101


@pytest.mark.parametrize(
    "origin",
    ["null", "", "file://", "http://gateway", "http://gateway:81", "http://gateway:80.evil.example",
     "http://[", "http://evil.example/gateway:80", "http://user@gateway:80", "gateway:80"],
)  # fmt: skip
async def test_origins_of_others(served: Doors, origin: str) -> None:
    """By default no other page may connect: a browser sends the cookies of the gateway with a handshake."""
    assert status_of(await head_of(served, origin=origin)) == 403


async def test_two_origins(served: Doors) -> None:
    head = await head_of(served, origin="http://gateway:80\r\nOrigin: http://evil.example")
    assert status_of(head) == 400


ALLOWED = with_websockets(origins=("https://app.example",))
BY_CORS = Settings(cors=CorsSettings(origins=("https://cors.example",)))
ANY = with_websockets(origins=("*",))


@pytest.mark.parametrize(
    ("settings", "origin", "status"),
    [
        (ALLOWED, "https://app.example", 101),
        (ALLOWED, "https://app.example.evil.example", 403),
        (ALLOWED, "https://cors.example", 403),
        (BY_CORS, "https://cors.example", 101),
        (BY_CORS, "https://app.example", 403),
        (ANY, "https://evil.example", 101),
        (ANY, "null", 101),
    ],
)
async def test_origins_in_the_settings(settings: Settings, origin: str, status: int) -> None:
    """`websocket.origins` and `cors` add origins."""
    async with doors(settings) as served:
        assert status_of(await head_of(served, origin=origin)) == status


def by_cors(credentials: bool) -> Settings:
    """Return settings by which pages of another origin may connect."""
    return Settings(
        cors=CorsSettings(origins=("https://cors.example",), credentials=credentials),
        headers=HeaderRules(forward=("cookie",)),
    )


@pytest.mark.parametrize(
    ("settings", "origin", "cookie"),
    [
        (by_cors(credentials=True), "https://cors.example", "a=b"),
        (by_cors(credentials=False), "https://cors.example", ""),
        (by_cors(credentials=False), "http://gateway", "a=b"),
        (by_cors(credentials=False), None, "a=b"),
    ],
)
async def test_cookies(settings: Settings, origin: str | None, cookie: str) -> None:
    """The cookies of a page that CORS allows without credentials are dropped, as `fetch` would not
    send them.
    """
    lines = ["Cookie: a=b"] + ([] if origin is None else [f"Origin: {origin}"])
    async with doors(settings) as served, ready(served, *lines) as client:
        client.subscribe("1", "{ who }")
        assert (await client.receive())["payload"] == {"data": {"who": cookie or "nobody"}}


async def test_websockets_are_off() -> None:
    """`websocket.enabled: false` refuses all, without an upgrade."""
    async with doors(with_websockets(enabled=False)) as served:
        assert status_of(await head_of(served)) in (400, 501)
        assert not served.sockets


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_ghsa_vpwc_v33q_mq89(served: Doors, protocol: str) -> None:
    """CVE-2026-35523: an operation before `connection_init` is refused with 4401, by both protocols."""
    async with websocket(served, protocol=protocol) as client:
        client.subscribe("1", COUNT, "start" if protocol == LEGACY_WS else "subscribe")
        assert await client.receive() == Closed(4401, "Unauthorized")
    assert not served.streams.running


@pytest.mark.parametrize("query", [COUNT, "{ held }"])
@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_ghsa_hv3w_m4g2_5x77(protocol: str, query: str) -> None:
    """CVE-2026-35526: the operations of one connection are limited, queries too; what is above gets
    an error.
    """
    start, done = ("start", "stop") if protocol == LEGACY_WS else ("subscribe", "complete")
    async with doors(with_websockets(operations=3)) as served:
        async with ready(served, protocol=protocol) as client:
            for number in range(5):
                client.subscribe(str(number), query, start)
            found = [await client.receive() for _ in range(2)]
            assert [(one["id"], one["type"]) for one in found] == [("3", "error"), ("4", "error")]
            assert "OPERATION_LIMIT" in str(found)
            assert "end one first" in str(found)
            client.send(done, "0")
            if protocol == LEGACY_WS:
                assert await client.receive() == {"id": "0", "type": "complete"}
            client.subscribe("3", query, start)
            await client.nothing()
            assert sum(len(one.started or ()) for one in served.sockets) == 3
        await served.left()


async def test_the_limit_of_connections() -> None:
    """Above `websocket.connections` a handshake gets 503; it succeeds when another client has left."""
    async with doors(with_websockets(connections=2)) as served, AsyncExitStack() as stack:
        first = await stack.enter_async_context(ready(served))
        await stack.enter_async_context(websocket(served))
        assert status_of(await head_of(served)) == 503
        first.writer.close()
        await until(lambda: len(served.sockets) == 1)
        assert status_of(await head_of(served)) == 101


ODD = [
    "\xff\xfe",
    "a" * 5_000,
    ",",
    ";",
    '"',
    "\t",
    "\x80",
    "13",
    "websocket",
    "Upgrade",
    "permessage-deflate;",
    "=",
]
NAMES = [
    *HANDSHAKE,
    "Sec-WebSocket-Extensions",
    "Origin",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
    "X",
]


async def test_random_handshakes(served: Doors) -> None:
    """Handshakes with random changes get a response or are closed; the gateway goes on, and logs no
    failure.
    """
    chance = random.Random(5)

    async def one(lines: list[str], cut: int | None) -> None:
        head = "\r\n".join(["GET /graphql HTTP/1.1", *lines, "", ""]).encode("latin-1")
        async with raw_socket(served) as client:
            client.writer.write(head[:cut])
            if cut is None:
                got = await client.reader.read(15)
                assert got.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.1 2")), (
                    head,
                    got,
                )

    for _ in range(300):
        lines = [f"{name}: {value}" for name, value in HANDSHAKE.items()]
        for _ in range(chance.randint(1, 4)):
            change, at = (
                chance.choice(["drop", "add", "replace", "repeat"]),
                chance.randrange(len(lines) or 1),
            )
            if change == "add" or not lines:
                lines.append(f"{chance.choice(NAMES)}: {chance.choice(ODD)}")
            elif change == "drop":
                del lines[at]
            elif change == "replace":
                lines[at] = f"{lines[at].split(':')[0]}: {chance.choice(ODD)}"
            else:
                lines.append(lines[at])
        async with asyncio.timeout(30):
            await one(lines, chance.choice([None, None, None, chance.randrange(200)]))
    async with ready(served) as client:
        await client.nothing()
    assert served.facts == []


async def test_random_frames(served: Doors) -> None:
    """Random bytes after a handshake close the connection with a code, or are ignored until more arrives."""
    chance = random.Random(6)

    async def one() -> None:
        async with ready(served) as client:
            data = chance.randbytes(chance.randint(1, 60))
            if chance.random() < 0.5:
                data = masked(chance.randrange(256), data)
            client.writer.write(data)
            client.writer.write_eof()
            found = await last(client)
            assert found.code in (1000, 1002, 1006, 1007, 1009, 4400) or 3000 <= found.code < 5000, data

    for _ in range(200):
        await one()
    await until(lambda: not served.sockets)
    assert served.facts == []


async def last(client: RawSocket) -> Closed:
    """Return the end of a connection."""
    while True:
        try:
            found = await client.receive()
        except AssertionError:  # a pong
            continue
        if isinstance(found, Closed):
            return found
