"""Every guard at every door: an operation that one door refuses, no other door executes.

CVE-2026-30241 (Mercurius) and GHSA-p2x3-8689-cwpg (parse-server): limits that WebSocket went past.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.clock import FakeClock
from gateway.core.errors import SubgraphError
from gateway.settings import (
    AuthenticationSettings,
    AuthorizationSettings,
    CostSettings,
    DocumentSettings,
    ErrorSettings,
    IssuerSettings,
    Limits,
    RateRule,
    RateSettings,
    Settings,
    UploadSettings,
)
from tests.gateway.documents.support import manifest
from tests.gateway.http.raw_clients import (
    LEGACY_WS,
    MULTIPART,
    SSE,
    TRANSPORT_WS,
    Closed,
    raw_stream,
    ready,
    websocket,
)
from tests.gateway.http.single import opened, post, reserve
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import Doors, doors
from tests.gateway.security.test_authenticate import KEY_SET, token
from tests.gateway.uploads.rig import form

LINK = """extend schema
@link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@authenticated"])
"""
PRICES = """type Query { y: Int product(id: ID): Product broken: Int secret: Int @authenticated }
type Subscription { price(id: ID): Product count: Int! hidden: Product @authenticated }
type Product @key(fields: "id") { id: ID! cents: Int next: Product }
"""
SUPERGRAPH = compose([SubgraphSource("prices", "", LINK + PRICES)]).supergraph
Payload = dict[str, Any]


async def by_post(served: Doors, payload: Payload) -> Any:
    """Return the response to a POST."""
    async with raw_stream(served) as client:
        await client.post(accept="*/*", **payload)
        return await client.body()


async def by_get(served: Doors, payload: Payload) -> Any:
    """Return the response to a GET."""
    async with raw_stream(served) as client:
        await client.get(payload["query"], "*/*")
        return await client.body()


async def by_list(served: Doors, payload: Payload) -> Any:
    """Return the response to the only operation of a list."""
    body = orjson.dumps([payload])
    async with raw_stream(served) as client:
        lines = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        await client.send("POST /graphql HTTP/1.1", *lines, body=body)
        found = await client.body()
        return found[0] if isinstance(found, list) else found


async def by_form(served: Doors, payload: Payload) -> Any:
    """Return the response to a form without files."""
    body = form(payload, {})
    async with raw_stream(served) as client:
        lines = ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(body)}"]
        await client.send("POST /graphql HTTP/1.1", *lines, body=body)
        return await client.body()


async def by_sse(served: Doors, payload: Payload) -> Any:
    """Return the first event, or the refusal of the request."""
    async with raw_stream(served) as client:
        await client.post(accept=SSE, **payload)
        return await client.body() if client.is_json else (await client.event()).data


async def by_multipart(served: Doors, payload: Payload) -> Any:
    """Return the first part, or the refusal of the request."""
    async with raw_stream(served) as client:
        await client.post(accept=MULTIPART, **payload)
        if client.is_json:
            return await client.body()
        found = await client.part()
        return found["payload"] or found


async def by_single(served: Doors, payload: Payload) -> Any:
    """Return the refusal of an operation, or its first event in the single stream of the client."""
    reserved = await reserve(served)
    if reserved.status != 201:
        return orjson.loads(reserved.text)
    async with opened(served, reserved.text) as stream:
        await stream.chunk()
        reply = await post(served, reserved.text, "1", **payload)
        return orjson.loads(reply.text) if reply.status != 202 else (await stream.event()).data["payload"]


async def by_websocket(served: Doors, payload: Payload) -> Any:
    """Return the first message about the operation, or how the connection was closed."""
    async with websocket(served) as client:
        client.send("connection_init")
        found = await client.receive()
        if isinstance(found, Closed):
            return found
        client.send("subscribe", "1", payload)
        found = await client.receive()
        return {"errors": found["payload"]} if found["type"] == "error" else found["payload"]


async def by_legacy(served: Doors, payload: Payload) -> Any:
    """Do the same by the legacy protocol."""
    async with websocket(served, protocol=LEGACY_WS) as client:
        client.send("connection_init")
        client.send("start", "1", payload)
        found = await client.receive()
        while found["type"] in ("connection_ack", "ka"):
            found = await client.receive()
        if found["type"] == "connection_error":
            return {"errors": [found["payload"]]}
        return {"errors": [found["payload"]]} if found["type"] == "error" else found["payload"]


Door = Callable[[Doors, Payload], Awaitable[Any]]
STREAMS: tuple[Door, ...] = (by_sse, by_single, by_multipart, by_websocket, by_legacy)
EVERY: tuple[Door, ...] = (by_post, by_get, by_list, by_form, *STREAMS)


def codes(found: Any) -> list[str]:
    """Return the codes of the errors in a response; how the connection was closed stands for one."""
    if isinstance(found, Closed):
        return [str(found.code)]
    return [one.get("extensions", {}).get("code", one["message"]) for one in found.get("errors", ())]


class Case(NamedTuple):
    """What a gateway with these settings refuses: a query and perhaps a subscription, with the
    error's code.
    """

    settings: dict[str, Any]
    query: str
    subscription: str
    code: str


TOKENS = AuthenticationSettings((IssuerSettings("main", jwks_file="jwks.json"),))
DEEP = "{ id next { id next { id } } }"
CASES = {
    "depth": Case(
        {"limits": Limits(depth=2, batch=2)},
        f"{{ product {DEEP} }}",
        f"subscription {{ price {DEEP} }}",
        "MAX_DEPTH_LIMIT",
    ),
    "aliases": Case(
        {"limits": Limits(aliases=1, batch=2)},
        "{ a: y b: y }",
        "subscription { price { a: id b: id } }",
        "MAX_ALIASES_LIMIT",
    ),
    "tokens": Case(
        {"limits": Limits(tokens=6, batch=2)},
        "{ y y y y y y }",
        "subscription { price { id cents } }",
        "MAX_TOKENS_LIMIT",
    ),
    "cost": Case(
        {"cost": CostSettings(max=1)},
        "{ product { next { id } } }",
        "subscription { price { next { id } } }",
        "COST_ESTIMATED_TOO_EXPENSIVE",
    ),
    "denied": Case(
        {"authentication": TOKENS, "authorization": AuthorizationSettings(mode="reject")},
        "{ secret }",
        "subscription { hidden { id } }",
        "UNAUTHORIZED_FIELD_OR_TYPE",
    ),
    "denied field": Case(
        {"authentication": TOKENS},
        "{ secret }",
        "subscription { hidden { id } }",
        "UNAUTHORIZED_FIELD_OR_TYPE",
    ),
    "documents": Case(
        {"documents": DocumentSettings("require", "manifest.json")},
        "{ product { id } }",
        "subscription { count }",
        "PERSISTED_DOCUMENT_ID_REQUIRED",
    ),
    "safelist": Case(
        {"documents": DocumentSettings("require_listed", "manifest.json")},
        "{ product { id } }",
        "subscription { count }",
        "QUERY_NOT_IN_SAFELIST",
    ),
    "introspection": Case(
        {"introspection": False},
        "{ __schema { queryType { name } } }",
        "",
        "INTROSPECTION_DISABLED",
    ),
}
TRUSTED = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": "1", "name": "A", "type": "query", "body": "query A { y }"},
        {"id": "2", "name": "B", "type": "subscription", "body": "subscription B { price { id } }"},
    ],
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the files that the settings name, in the present folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jwks.json").write_text(KEY_SET)
    manifest(tmp_path, TRUSTED)


def settings(**given: Any) -> Settings:
    """Return settings that allow lists and forms."""
    return Settings(**{"limits": Limits(batch=2), "uploads": UploadSettings(enabled=True), **given})


@pytest.mark.parametrize("case", CASES)
async def test_refused_at_every_door(case: str) -> None:
    """The code is the same at each door, and no subgraph is asked."""
    given, query, subscription, code = CASES[case]
    async with doors(settings(**given), sdls=SUPERGRAPH) as served:
        for door in EVERY:
            assert codes(await door(served, {"query": query})) == [code], door
        for door in STREAMS if subscription else ():
            assert codes(await door(served, {"query": subscription})) == [code], door
        assert served.subgraphs.asked == []
        assert served.streams.opened == []


@pytest.mark.parametrize(
    "case", ["depth", "tokens", "cost", "denied", "documents", "safelist", "introspection"]
)
async def test_allowed_at_every_door(case: str) -> None:
    """The same gateway answers what it allows, at each door."""
    async with doors(settings(**CASES[case].settings), sdls=SUPERGRAPH) as served:
        for door in EVERY:
            payload: Payload = {"query": "query A { y }"}
            if case == "documents":
                if door is by_get:
                    continue
                payload = {"query": "", "documentId": "1"}
            assert await door(served, payload) == {"data": {"y": 2}}, door


async def test_trusted_subscriptions() -> None:
    """A subscription runs by its document's id over WebSocket, SSE and multipart."""
    given = settings(documents=DocumentSettings("require", "manifest.json"))
    async with (
        doors(given, sdls=SUPERGRAPH) as served,
        ready(served) as socket,
        raw_stream(served) as sse,
        raw_stream(served) as multipart,
    ):
        socket.send("subscribe", "1", {"documentId": "2"})
        await sse.post("", SSE, documentId="2")
        await multipart.post("", MULTIPART, documentId="2")
        await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [3])
        served.event()
        data = {"data": {"price": {"id": "1"}}}
        assert (await socket.receive())["payload"] == data
        assert (await sse.event()).data == data
        assert await multipart.part() == {"payload": data}


async def test_callers_without_a_token() -> None:
    """Where a token is required, every door refuses a request without one; over WebSocket the connection."""
    given = settings(authentication=AuthenticationSettings(TOKENS.issuers, required=True))
    async with doors(given, FakeClock(), sdls=SUPERGRAPH) as served:
        message = "this gateway needs a token, and the request has none"
        expected: dict[Door, list[str]] = {by_websocket: ["4403"], by_legacy: [message]}
        for door in EVERY:
            assert codes(await door(served, {"query": "{ y }"})) == expected.get(door, ["UNAUTHENTICATED"])
        for door in STREAMS:
            found = codes(await door(served, {"query": "subscription { count }"}))
            assert found == expected.get(door, ["UNAUTHENTICATED"])
        assert (served.subgraphs.asked, served.streams.opened) == ([], [])


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_an_operation_with_another_token(protocol: str) -> None:
    """The token of one operation is checked as well as that of the connection."""
    given = settings(authentication=AuthenticationSettings(TOKENS.issuers, required=True))
    start = "start" if protocol == LEGACY_WS else "subscribe"
    async with doors(given, FakeClock(), sdls=SUPERGRAPH) as served:
        async with ready(served, protocol=protocol, authorization=f"Bearer {token()}") as client:
            for query in ("{ secret }", "subscription { hidden { id } }"):
                headers = {"authorization": "Bearer forged"}
                client.send(start, "1", {"query": query, "extensions": {"headers": headers}})
                found = await client.receive()
                assert found["type"] == "error"
                assert "UNAUTHENTICATED" in str(found)
        assert (served.subgraphs.asked, served.streams.opened) == ([], [])


@pytest.mark.parametrize("door", EVERY)
async def test_rates(door: Door) -> None:
    """Each door counts, and all count together: the second operation of an address is refused."""
    requests = 3 if door is by_single else 2  # reserving a stream counts, too
    rule = RateRule("one", requests=requests, window=60.0)
    async with doors(settings(rates=RateSettings((rule,))), FakeClock(), sdls=SUPERGRAPH) as served:
        assert await door(served, {"query": "{ y }"}) == {"data": {"y": 2}}
        assert await by_post(served, {"query": "{ y }"}) == {"data": {"y": 2}}
        assert codes(await door(served, {"query": "{ y }"})) == ["RATE_LIMITED"]
        for stream in STREAMS:
            assert codes(await stream(served, {"query": "subscription { count }"})) == ["RATE_LIMITED"]
        assert served.streams.opened == []


async def test_masked_errors() -> None:
    """What a subgraph says of its errors reaches no client, by no door: not in results, not at a stream's
    end.
    """
    given = settings(errors=ErrorSettings(mode="masked"))
    async with doors(given, sdls=SUPERGRAPH) as served:
        for door in EVERY:
            found = await door(served, {"query": "{ broken }"})
            assert "a part of the response could not be fetched" in str(found), door
            assert "secret" not in str(found), door
        async with ready(served) as socket, raw_stream(served) as sse, raw_stream(served) as multipart:
            for number, query in enumerate(["subscription { price { id } }", "subscription { count }"]):
                socket.subscribe(str(number), query)
            await sse.post("subscription { count }", SSE)
            await multipart.post("subscription { count }", MULTIPART)
            await until(lambda: sum(len(one.fan_out.members) for one in served.gateway.hub.all_groups) == 4)
            event = {"errors": [{"message": "secret", "path": ["price"]}], "data": {"price": None}}
            served.streams.opened[0].event(orjson.dumps(event))
            for stream in served.streams.opened:
                stream.failed(SubgraphError("said secret", "SUBGRAPH_ERROR", subgraph="prices"))
            texts = [str(await socket.receive()) for _ in range(3)]
            texts += [(await one.whole()).decode() for one in (sse, multipart)]
            assert not any("secret" in text for text in texts)
            assert all("could not be fetched" in text for text in texts)
