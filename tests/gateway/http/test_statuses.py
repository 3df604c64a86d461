"""Each row of the table of statuses, for both media types, in both modes, and by both doors."""

import re
from typing import Any

import orjson
import pytest

from gateway.answering import Gateway
from gateway.core.codes import CODES
from gateway.core.context import RequestContext
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.http.endpoint import Endpoint
from gateway.http.negotiate import GRAPHQL, JSON
from gateway.http.respond import HttpReply
from gateway.http.statuses import ANSWER, MODES, PARTIAL, STATUSES, StatusMode
from gateway.plugins import Hooks
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Limits, Settings
from gateway.transport.base import Call
from tests.gateway.http.sockets import connected, post, read_one, serving
from tests.gateway.support import fake_engine

SDLS = {
    "a": "type Query { x(n: Int): Int y: Int! no: Int } type Mutation { m: Int } type Subscription { s: Int }"
}
BOTH = "query($n: String) { hello(name: $n) broken }"
Table = dict[str, tuple[Any, int, int, int]]


def subgraph(call: Call) -> dict[str, Any]:
    """Reply to x; other fields fail."""
    if "y" in call.query:
        return {"data": None, "errors": [{"message": "no"}]}
    if "no" in call.query:
        return {"data": {"x": 1, "no": None}, "errors": [{"message": "no", "path": ["no"]}]}
    return {"data": {"x": 1}}


def query(text: Any, **more: Any) -> bytes:
    """Return the body of a request."""
    return orjson.dumps({"query": text, **more})


REQUESTS: Table = {  # body, statuses: json, audited, draft
    "an answer": (query("{ x }"), 200, 200, 200),
    "an answer of the other path": (query("{ x __typename __schema { __typename } }"), 200, 200, 200),
    "data and errors": (query("{ x no }"), 200, 200, 294),
    "null and errors": (query("{ y }"), 200, 200, 294),
    "no JSON": (b"{", 400, 400, 400),
    "half a pair": (b'{"query":"\\ud83d"}', 400, 400, 400),
    "no object": (b"[]", 400, 400, 422),
    "no query": (b"{}", 400, 400, 422),
    "a query that is a number": (query(7), 400, 400, 422),
    "variables that are a list": (query("{ x }", variables=[]), 400, 400, 422),
    "a name that is a number": (query("{ x }", operationName=1), 400, 400, 422),
    "no GraphQL": (query("{ x"), 200, 400, 400),
    "an empty document": (query(""), 200, 400, 400),
    "an unknown field": (query("{ z }"), 200, 400, 422),
    "several unknown fields": (query("{ z w }"), 200, 400, 422),
    "no operation of that name": (query("{ x }", operationName="Q"), 200, 400, 422),
    "two operations and no name": (query("query A { x } query B { x }"), 200, 400, 422),
    "a wrong variable": (query("query($n: Int) { x(n: $n) }", variables={"n": "a"}), 200, 400, 422),
    "a deep query": (query("{ __schema" + "{ types" * 60 + "{ name }" + "}" * 61), 200, 400, 422),
    "a subscription": (query("subscription { s }"), 406, 406, 406),
    "a persisted query": (b'{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"a"}}}', 200, 400, 422),
    "a body over the limit": (b" " * 5_000, 413, 413, 413),
}


def endpoint_of(mode: StatusMode, *plugins: object) -> Endpoint:
    """Return an endpoint whose replies have the statuses of a mode."""
    engine, _ = fake_engine(SDLS, subgraph, Settings(limits=Limits(depth=20)))
    return Endpoint(Gateway(engine, Hooks(plugins)), 4_000, mode)


async def reply(endpoint: Endpoint, body: bytes, media: str, **headers: str) -> HttpReply:
    """Return the reply to a POST."""
    given = {"content-type": "application/json", "accept": media, **headers}
    raw_headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    content = endpoint.too_large() if len(body) > endpoint.max_body else body
    return await endpoint.reply("POST", b"", RequestHeaders(raw_headers, None), content)


def expected(row: tuple[int, int, int], media: str, mode: StatusMode) -> int:
    """Return the status of a row that applies."""
    return row[0] if media == JSON else row[1 + MODES.index(mode)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("media", [JSON, GRAPHQL])
@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request(name: str, media: str, mode: StatusMode) -> None:
    """A request gets the status of its row; its body does not depend on the status."""
    body, *row = REQUESTS[name]
    found = await reply(endpoint_of(mode), body, media)
    assert found.status == expected((row[0], row[1], row[2]), media, mode)
    assert found.media == media
    other = await reply(endpoint_of("audited"), body, JSON)
    assert found.body == other.body


class Refusing:
    """Refuses every request with a code."""

    def __init__(self, code: str, status: int | None = None) -> None:
        self.code, self.status = code, status

    def on_request(self, context: RequestContext, ask: GraphQLRequest) -> None:
        """Refuse."""
        raise RequestError("no", self.code, status=self.status)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("media", [JSON, GRAPHQL])
@pytest.mark.parametrize("code", [code for code in STATUSES if code in CODES])
async def test_a_row(code: str, media: str, mode: StatusMode) -> None:
    """An error with a code of the table gets the row's status, wherever it is raised."""
    found = await reply(endpoint_of(mode, Refusing(code)), query("{ x }"), media)
    assert found.status == expected(STATUSES[code], media, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("media", [JSON, GRAPHQL])
async def test_a_status_that_a_plugin_names(media: str, mode: StatusMode) -> None:
    """A status set by a plugin is used unchanged; a code without a row gets 400."""
    assert (await reply(endpoint_of(mode, Refusing("SAGA_STATE", 409)), query("{ x }"), media)).status == 409
    assert (await reply(endpoint_of(mode, Refusing("SAGA_STATE")), query("{ x }"), media)).status == 400


def test_the_table_is_whole() -> None:
    """Every code of requests has a row, every row has a code, and only expected statuses occur."""
    requests = {code.name for code in CODES.values() if code.area == "request"}
    assert set(STATUSES) - {ANSWER, PARTIAL} == requests | {"INTERNAL_SERVER_ERROR"}
    assert {status for row in STATUSES.values() for status in row} <= {
        *(200, 294, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, 500, 503)
    }


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("mode", MODES)
async def test_a_method_that_is_not_allowed(method: str, mode: StatusMode) -> None:
    """The reply lists the allowed methods."""
    asked = b"query=mutation%7Bm%7D"
    found = await endpoint_of(mode).reply(method, asked, RequestHeaders([], None), b"")
    assert (found.status, found.allow) == (405, b"POST" if method == "GET" else b"GET, POST")


@pytest.mark.parametrize("line", [b"POST /graphql HTTP/1.1", b"POST /graphql?long HTTP/1.1"])
@pytest.mark.parametrize(("mode", "statuses"), [("audited", (200, 400)), ("draft-2026", (294, 422))])
async def test_both_doors(line: bytes, mode: StatusMode, statuses: tuple[int, ...]) -> None:
    """Both doors write the status, with a status line that clients can parse."""
    accept = b"Accept: application/graphql-response+json"
    async with serving(settings=Settings(http_status=mode)) as served, connected(served) as (reader, writer):
        for text, status in zip(("{ broken }", "{ wrong }"), statuses, strict=True):
            writer.write(post(text, None, accept, line=line))
            assert re.match(rb"HTTP/1.1 %d [^\r]*\r\n" % status, await read_one(reader))


async def test_equal_queries_share_a_status() -> None:
    """A shared execution gives each client the same status, though its response is already encoded."""
    async with serving(settings=Settings(http_status="draft-2026")) as served:
        request = post(BOTH, "wait", b"Accept: application/graphql-response+json")
        async with connected(served) as first, connected(served) as second:
            for _, writer in (first, second):
                writer.write(request)
            await served.subgraph.started.wait()
            served.subgraph.go.set()
            got = [await read_one(reader) for reader, _ in (first, second)]
    assert [one[:12] for one in got] == [b"HTTP/1.1 294"] * 2
    assert served.subgraph.calls == ["wait"]
