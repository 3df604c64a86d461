"""@defer and @stream at the doors: who receives parts, in which format, and how such a response ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.clock import run_ready_callbacks
from gateway.http.direct import DirectProtocol
from gateway.settings import CostSettings, ErrorSettings, Limits, Settings, SubscriptionSettings
from tests.gateway.http.raw_clients import SSE, SseEvent, raw_stream, ready
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import Doors, doors

OLD, NEW = "multipart/mixed;deferSpec=20220824", "multipart/mixed;incrementalSpec=v0.2"
QUERY = '{ product { cents ... @defer(label: "late") { name } } }'
FIRST = {"product": {"cents": 1}}
WHOLE = {"data": {"product": {"cents": 1, "name": "name 1"}}}
ERROR = {"code": "GONE", "service": "names"}


@pytest.fixture(scope="module", params=[DirectProtocol, "httptools"], ids=["direct", "asgi"])
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[Doors]:
    """Yield a gateway behind each protocol, for all tests of this file."""
    async with doors(http=request.param) as found:
        yield found


@pytest.fixture
async def served(shared: Doors) -> Doors:
    """Return the gateway, whose entities wait until the test lets them go."""
    shared.subgraphs.__init__()  # type: ignore[misc]
    shared.subgraphs.holds_entities = True
    return shared


async def test_the_old_format(served: Doors) -> None:
    """deferSpec=20220824: the first part arrives before the second exists; parts have their path."""
    async with raw_stream(served) as client:
        await client.post(QUERY, f"{OLD}, application/json")
        assert client.content_type == "multipart/mixed;boundary=graphql;deferSpec=20220824"
        assert await client.part() == {"data": FIRST, "hasNext": True}
        served.subgraphs.go.set()
        incremental = [{"data": {"name": "name 1"}, "path": ["product"], "label": "late"}]
        assert await client.part() == {"incremental": incremental, "hasNext": False}
        assert await client.whole() == b"--\r\n"


async def test_the_new_format(served: Doors) -> None:
    """incrementalSpec=v0.2: parts are announced as pending."""
    async with raw_stream(served) as client:
        await client.post(QUERY, 'application/json, multipart/mixed;incrementalSpec="v0.2"')
        assert client.content_type == "multipart/mixed;boundary=graphql;incrementalSpec=v0.2"
        pending = [{"id": "0", "path": ["product"], "label": "late"}]
        assert await client.part() == {"data": FIRST, "pending": pending, "hasNext": True}
        served.subgraphs.go.set()
        incremental = [{"id": "0", "data": {"name": "name 1"}}]
        assert await client.part() == {
            "incremental": incremental,
            "completed": [{"id": "0"}],
            "hasNext": False,
        }
        assert await client.whole() == b"--\r\n"


async def test_over_sse(served: Doors) -> None:
    """Over SSE each part is an event, in the new format."""
    async with raw_stream(served) as client:
        await client.post(QUERY, SSE)
        first = (await client.event()).data
        assert (first["data"], first["hasNext"], len(first["pending"])) == (FIRST, True, 1)
        served.subgraphs.go.set()
        assert (await client.event()).data["hasNext"] is False
        assert await client.event() == SseEvent("complete", "")


WITHOUT_PARTS = ["application/json", "*/*", "multipart/mixed;subscriptionSpec=1.0, application/json"]


@pytest.mark.parametrize("accept", WITHOUT_PARTS)
async def test_who_gets_everything_at_once(served: Doors, accept: str) -> None:
    """A client that does not know of parts gets one response, as if there was no @defer."""
    served.subgraphs.go.set()
    async with raw_stream(served) as client:
        await client.post(QUERY, accept)
        assert client.content_type == "application/json; charset=utf-8"
        assert await client.body() == WHOLE


async def test_a_query_without_parts(served: Doors) -> None:
    """A client that knows of parts gets a plain response if nothing is sent later."""
    async with raw_stream(served) as client:
        for query in ("{ y }", "{ y ... @defer(if: false) { y } }"):
            await client.post(query, f"{NEW}, application/json")
            assert client.content_type == "application/json; charset=utf-8"
            assert await client.body() == {"data": {"y": 2}}


@pytest.mark.parametrize("accept", [OLD, NEW])
async def test_a_part_that_fails(served: Doors, accept: str) -> None:
    """Its error comes with the part; what was sent before stays."""
    served.subgraphs.failing = True
    served.subgraphs.go.set()
    async with raw_stream(served) as client:
        await client.post(QUERY, f"{accept}, application/json")
        assert (await client.part())["data"] == FIRST
        last = await client.part()
        assert last["hasNext"] is False
        (item,) = last["incremental"]
        assert item["data"] == {"name": None}
        assert [(one["path"], one["extensions"]) for one in item["errors"]] == [(["product", "name"], ERROR)]
        assert await client.whole() == b"--\r\n"


@pytest.mark.parametrize("accept", [OLD, NEW, SSE])
async def test_a_client_that_leaves(served: Doors, accept: str) -> None:
    """The requests for the parts are cancelled when the client disconnects."""
    async with raw_stream(served) as client:
        await client.post(QUERY, accept)
        await until(lambda: any("_entities" in query for query in served.subgraphs.asked))
        client.writer.close()
        await until(lambda: served.subgraphs.cancelled == 1)


async def test_operations_that_are_not_valid(served: Doors) -> None:
    """A refused operation has its usual status and one body."""
    async with raw_stream(served) as client:
        for query in ("{ unknown ... @defer { y } }", "subscription { count ... @defer { count } }"):
            await client.post(query, f"{NEW}, application/graphql-response+json")
            assert client.status == 400
            assert (await client.body())["errors"]


async def test_over_websocket_and_in_lists() -> None:
    """Over WebSocket, and in a list of requests, everything comes at once."""
    async with doors(Settings(limits=Limits(batch=2))) as served:
        async with ready(served) as socket:
            socket.subscribe("1", QUERY)
            assert (await socket.receive())["payload"] == WHOLE
            assert (await socket.receive())["type"] == "complete"
        async with raw_stream(served) as client:
            body = orjson.dumps([{"query": QUERY}])
            lines = ["Content-Type: application/json", f"Content-Length: {len(body)}", f"Accept: {NEW}, */*"]
            await client.send("POST /graphql HTTP/1.1", *lines, body=body)
            assert await client.body() == [WHOLE]


async def test_it_is_off() -> None:
    """`incremental: false`: the directives are unknown."""
    async with doors(Settings(incremental=False)) as served, raw_stream(served) as client:
        await client.post(QUERY, f"{NEW}, application/json")
        error: Any = (await client.body())["errors"][0]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_no_heartbeats_between_parts() -> None:
    """A client of multipart reads every part as a payload: an idle response has no heartbeats."""
    settings = Settings(subscriptions=SubscriptionSettings(heartbeat=0.01))
    async with doors(settings) as served, raw_stream(served) as client:
        served.subgraphs.holds_entities = True
        await client.post(QUERY, NEW)
        assert (await client.part())["hasNext"] is True
        await asyncio.sleep(0.05)
        served.subgraphs.go.set()
        assert (await client.part())["hasNext"] is False
        assert await client.whole() == b"--\r\n"


async def test_the_process_ends() -> None:
    """A response with parts is finished before the process ends."""
    async with doors() as served, raw_stream(served) as client:
        served.subgraphs.holds_entities = True
        await client.post(QUERY, NEW)
        assert (await client.part())["hasNext"] is True
        await served.shut_down()
        await asyncio.sleep(0.05)
        served.subgraphs.go.set()
        assert (await client.part())["hasNext"] is False
        assert await client.whole() == b"--\r\n"


@pytest.mark.parametrize("overflow", ["drop", "close"])
async def test_a_client_that_reads_late(overflow: Any) -> None:
    """Parts of a response are never dropped, however slowly the client reads: it would be broken."""
    settings = Settings(subscriptions=SubscriptionSettings(queue=10, overflow=overflow))
    query = "{ large: who product { ... @defer { name } ... @defer { title } } }"
    async with doors(settings) as served, raw_stream(served, 4_096) as client:
        await client.post(query, OLD)
        await until(lambda: sum("_entities" in query for query in served.subgraphs.asked) == 2)
        await run_ready_callbacks(50)
        first, *rest = [await client.part() for _ in range(3)]
        assert len(first["data"]["large"]) == 1_000_000
        assert [one["hasNext"] for one in (first, *rest)] == [True, True, False]
        found = [one["incremental"][0]["data"] for one in rest]
        assert sorted(map(str, found)) == ["{'name': 'name 1'}", "{'title': 'title 1'}"]
        assert await client.whole() == b"--\r\n"


GUARDED = """extend schema
@link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@authenticated"])
type Query { product: Product hidden: Int @authenticated }
type Product @key(fields: "id") { id: ID! cents: Int secret: Int @authenticated next: Product }
"""
LATER = "{ product { cents ... @defer { %s } } }"


@pytest.fixture
def guarded() -> str:
    """Return a supergraph with a field that needs a token."""
    return compose([SubgraphSource("prices", "", GUARDED)]).supergraph


async def test_parts_have_a_cost(guarded: str) -> None:
    """The cost of an operation contains its parts: it is refused before anything runs."""
    settings = Settings(cost=CostSettings(max=1))
    async with doors(settings, sdls=guarded) as served, raw_stream(served) as client:
        await client.post(LATER % "id", f"{NEW}, application/json")
        assert client.status == 200
        while await client.chunk():
            pass
        asked = len(served.subgraphs.asked)
        await client.post(LATER % "next { id }", f"{NEW}, application/json")
        error = (await client.body())["errors"][0]
        assert error["extensions"]["code"] == "COST_ESTIMATED_TOO_EXPENSIVE"
        assert len(served.subgraphs.asked) == asked


DENIED = [
    LATER % "secret",
    LATER % "next { cents secret } secret",
    "{ product { cents } ... @defer { hidden product { secret } } }",
    "{ product { cents } ... @defer { hidden } }",
    "{ product { cents secret ... @defer { id } } }",
    "{ product { cents } ... @defer { product { id ... @defer { next { secret } } } } }",
]


@pytest.mark.parametrize("accept", [OLD, NEW])
@pytest.mark.parametrize("query", DENIED)
async def test_a_denied_field_in_a_part(guarded: str, query: str, accept: str) -> None:
    """A field that the caller may not see is null in its part as well, and no subgraph is asked for it."""
    async with doors(sdls=guarded) as served, raw_stream(served) as client:
        for _ in range(2):
            await client.post(query, accept)
            parts = [await client.part()]
            while parts[-1]["hasNext"]:
                parts.append(await client.part())
            assert {one["extensions"]["code"] for one in parts[0]["errors"]} == {"UNAUTHORIZED_FIELD_OR_TYPE"}
            assert "42" not in str(parts)
            assert await client.whole() == b"--\r\n"
        assert not [one for one in served.subgraphs.asked if "secret" in one or "hidden" in one]


@pytest.mark.parametrize("accept", [OLD, NEW, SSE])
async def test_masked_errors_of_parts(accept: str) -> None:
    """What a subgraph says of its errors is masked in a part, too."""
    settings = Settings(errors=ErrorSettings(mode="masked"))
    async with doors(settings) as served, raw_stream(served) as client:
        served.subgraphs.failing = True
        await client.post(QUERY, accept)
        text = (await client.whole()).decode()
        assert "could not be fetched" in text
        assert "is gone" not in text
