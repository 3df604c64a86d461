"""Signed requests over sockets: the gateway signs, and a strawberry subgraph lets only signed ones pass."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import strawberry
import uvicorn
from strawberry.asgi import GraphQL

from gateway.config.load import ConfigError, settings_from
from gateway.security.signatures import SignableRequest, Verifier
from gateway.security.signed_requests import SignedRequests
from gateway.settings import Secret, Settings, SigningSettings, SubgraphSettings
from gateway.transport.headers import Headers
from gateway.transport.http import transport_for
from tests.gateway.real import Answer, Received, door, listening, upstream
from tests.gateway.support import payload_from

KEY = "s" * 40
SIGNING = SigningSettings(Secret(KEY))
SDL = {"a": "type Query { x: Int }"}


def signable(received: Received) -> SignableRequest:
    """Return a request as its signature covers it."""
    method, target, _ = received.line.split(b" ")
    path, _, query = target.partition(b"?")
    return SignableRequest(method.decode(), path, query, received.headers, received.body)


@pytest.mark.parametrize("http", ["gateway.http.direct:DirectProtocol", "httptools"])
async def test_the_exact_bytes_are_signed(http: str) -> None:
    """What arrives at a subgraph fits its signature: headers by rules, unusual bytes, the URL's query."""
    text = f"""
signing: {{key: {KEY}, key_id: k1}}
headers: {{request: [{{propagate: x-*}}, {{insert: x-via, value: gateway}}]}}
"""
    settings = settings_from(text, {}, Path("gateway.yaml"))
    async with upstream(lambda _: Answer({"data": {"x": 1}})) as found:
        found.url += "/a%20b?c=%2F"
        async with door(SDL, {"a": found}, settings, http) as served:
            headers = [
                (b"authorization", b"Bearer \xfc"),
                (b"x-a", b"1"),
                (b"x-a", b"2"),
                (b"x-b", b"c  \xe9"),
            ]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
                answer = await client.post("/graphql", json={"query": "{ x }"}, headers=headers)
                await client.get("/health/ready")
    assert answer.json() == {"data": {"x": 1}}
    verifier = Verifier({"k1": KEY}, "a", signed_headers=("authorization", "x-a", "x-b", "x-via"))
    for received in found.requests:
        verifier.check(signable(received))
    assert len(found.requests) == 2


async def test_a_call_that_is_sent_again_is_accepted() -> None:
    """After a broken connection the call has another nonce, so the subgraph does not take it for a replay."""
    verifier = Verifier({"gateway": KEY}, "a")
    async with upstream(lambda _: Answer({"data": {"x": 1}})) as found:
        transport = transport_for({"a": found.url}, Settings(signing=SIGNING))
        await payload_from(transport)
        found.close_next = 1
        assert await payload_from(transport, headers=Headers.of([("authorization", "x")])) == {
            "data": {"x": 1}
        }
        await transport.close()
    assert len(found.requests) == 3
    for received in found.requests:
        verifier.check(signable(received))
    assert len(verifier.nonces) == 3


async def test_without_the_setting_nothing_is_signed() -> None:
    """By default, and for a subgraph beside one with the setting, there is no signature."""
    own = {"a": SubgraphSettings(signing=SIGNING)}
    async with upstream(lambda _: Answer({"data": {"x": 1}})) as found:
        transport = transport_for({"a": found.url, "b": found.url}, Settings(subgraphs=own))
        await payload_from(transport, subgraph="b")
        await payload_from(transport, subgraph="a")
        await transport.close()
    assert [one.get("signature") is not None for one in found.requests] == [False, True]


@strawberry.type
class Query:
    """The root of the subgraph."""

    @strawberry.field
    def x(self) -> int:
        """Return a number."""
        return 1


@asynccontextmanager
async def subgraph(**options: Any) -> AsyncIterator[tuple[str, Verifier]]:
    """Yield the URL of a strawberry subgraph behind the middleware, and its verifier."""
    verifier = Verifier({"gateway": KEY}, "a")
    app = SignedRequests(GraphQL[Any, Any](strawberry.Schema(Query)), verifier, **options)
    quiet: dict[str, Any] = {"log_config": None, "log_level": 60, "lifespan": "off"}
    async with listening(uvicorn.Config(app, timeout_graceful_shutdown=1, **quiet)) as (port, _):
        yield f"http://127.0.0.1:{port}/graphql", verifier


async def test_a_strawberry_subgraph() -> None:
    """The gateway's requests pass the middleware; all others get 401."""
    async with subgraph() as (url, verifier):
        transport = transport_for({"a": url, "b": url}, Settings(signing=SIGNING))
        for _ in range(3):
            assert await payload_from(transport, query="{ x }") == {"data": {"x": 1}}
        assert len(verifier.nonces) == 3
        async with httpx.AsyncClient() as client:
            for request in (
                client.post(url, json={"query": "{ x }"}),
                client.get(url, params={"query": "{ x }"}),
                client.post(url, json={"query": "{ x }"}, headers={"signature": "gateway=:AAAA:"}),
            ):
                response = await request
                assert response.status_code == 401
                assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
                assert response.headers["www-authenticate"] == "Signature"
        assert (await payload_from(transport, query="{ x }", subgraph="b"))["errors"][0]["message"] == (
            "the request was signed for another subgraph"
        )
        await transport.close()


async def test_a_replay_over_the_wire() -> None:
    """The bytes of a signed request, sent again to the same subgraph, get 401."""
    async with upstream(lambda _: Answer({"data": {"x": 1}})) as recorder:
        transport = transport_for({"a": recorder.url}, Settings(signing=SIGNING))
        await payload_from(transport, query="{ x }")
        await transport.close()
    (recorded,) = recorder.requests
    headers = [(name, value) for name, value in recorded.headers if name != b"host"]
    async with subgraph() as (url, _), httpx.AsyncClient() as client:
        answers = [await client.post(url, content=recorded.body, headers=headers) for _ in range(2)]
        other = await client.post(f"{url}?a", content=recorded.body, headers=headers)
    assert [one.status_code for one in (*answers, other)] == [200, 401, 401]


async def test_large_bodies_and_open_paths() -> None:
    """A body over the limit gets 413 before it is read; health checks need no signature."""
    async with subgraph(max_body=1_000, open_paths=("/health",)) as (url, _), httpx.AsyncClient() as client:

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 100

        assert (await client.post(url, content=b"x" * 2_000)).status_code == 413
        assert (await client.post(url, content=endless())).status_code == 413
        assert (await client.get(url.replace("/graphql", "/health"))).status_code != 401


async def test_other_kinds_of_connections() -> None:
    """WebSocket connections are refused; the lifespan and its messages pass."""
    sent: list[Any] = []
    passed: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    middleware = SignedRequests(app, Verifier({"gateway": KEY}, "a"))
    for kind in ("websocket", "lifespan"):
        await middleware({"type": kind, "path": "/graphql"}, receive, send)
    assert (passed, sent) == (["lifespan"], [{"type": "websocket.close", "code": 4401}])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{key: 2short}", "signing.key: expected at least 32 characters"),
        ("{}", "the setting `key` is missing"),
        (f"{{key: {KEY}, key_id: 'a b'}}", "signing.key_id: expected a text"),
        (f"{{key: {KEY}, algorithm: hs1}}", "signing.algorithm: expected one of hmac-sha256"),
    ],
)
def test_settings(text: str, message: str) -> None:
    """Mistakes are reported without the key."""
    with pytest.raises(ConfigError) as caught:
        settings_from(f"signing: {text}", {}, Path("gateway.yaml"))
    assert message in caught.value.message
    assert "2short" not in caught.value.message
    assert KEY not in caught.value.message
