"""The endpoint: methods, media types, status codes, limits, and the cost of a cached operation."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest

from gateway.answering import Gateway
from gateway.app import create_app
from gateway.http.asgi import serve_graphql
from gateway.http.endpoint import Endpoint
from gateway.settings import Settings
from gateway.transport.base import Call
from tests.gateway.support import fake_engine, supergraph_of

SDLS = {"a": "type Query { hello(name: String): String } type Mutation { add: Int }"}
JSON = {"content-type": "application/json"}
GRAPHQL = "application/graphql-response+json"


async def hello(query: str, variables: Any, operation_name: str | None, headers: Any) -> dict[str, Any]:
    """Reply as a subgraph that greets, and that shows the headers it received."""
    return {"data": {"hello": ",".join(sorted(headers)), "add": 1}}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the whole application, with the subgraph in the process."""
    app = create_app(supergraph_of(SDLS), Settings(), {"a": hello})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        yield client


async def test_post_and_get_answer(client: httpx.AsyncClient) -> None:
    """A query is answered by POST and by GET, with the requested media type."""
    post = await client.post("/graphql", json={"query": "{ hello }"})
    assert (post.status_code, post.headers["content-type"]) == (200, "application/json; charset=utf-8")
    get = await client.get("/graphql", params={"query": "{ hello }"}, headers={"accept": GRAPHQL})
    assert (get.status_code, get.headers["content-type"]) == (200, f"{GRAPHQL}; charset=utf-8")
    assert get.json()["data"].keys() == {"hello"}


async def test_mutations_need_post(client: httpx.AsyncClient) -> None:
    """A mutation by GET is refused with 405 and the allowed method."""
    response = await client.get("/graphql", params={"query": "mutation { add }"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await client.request("DELETE", "/graphql")).status_code == 405


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "INVALID_JSON"),
        (b"", JSON, 400, "INVALID_JSON"),
        (b"\xff\xfe", JSON, 400, "INVALID_JSON"),
        (b"[]", JSON, 400, "BAD_REQUEST"),
        (b"7", JSON, 400, "BAD_REQUEST"),
        (b"{}", JSON, 400, "BAD_REQUEST"),
        (b'{"query": 5}', JSON, 400, "BAD_REQUEST"),
        (b'{"query": "{hello}", "variables": []}', JSON, 400, "BAD_REQUEST"),
        (b'{"query": "{hello}", "operationName": 1}', JSON, 400, "BAD_REQUEST"),
        (b"query=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b'{"query": "{hello}"}', {"content-type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b'{"query": "{hello}"}', {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b'{"query": "{hello}"}', {**JSON, "accept": "image/png"}, 406, "NOT_ACCEPTABLE"),
        (b'{"query": "{hello}", "x": "' + b"y" * 10_000_000 + b'"}', JSON, 413, "REQUEST_TOO_LARGE"),
    ],
)
async def test_what_is_no_request_is_refused(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """Each invalid HTTP request gets its status, a code, and a next step."""
    response = await client.post("/graphql", content=body, headers=headers)
    assert response.status_code == status
    extensions = response.json()["errors"][0]["extensions"]
    assert extensions["code"] == code
    assert extensions["nextStep"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ hello", "GRAPHQL_PARSE_FAILED"),
        ("{ helo }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", "OPERATION_RESOLUTION_FAILURE"),
        ("query ($n: Int!) { hello @include(if: true) }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ _entities(representations: []) { __typename } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ _service { sdl } }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_what_graphql_refuses(client: httpx.AsyncClient, query: str, code: str) -> None:
    """An invalid document is 400 for clients that accept application/graphql-response+json, 200 for
    others.
    """
    modern = await client.post("/graphql", json={"query": query}, headers={"accept": GRAPHQL})
    old = await client.post("/graphql", json={"query": query}, headers={"accept": "application/json"})
    assert (modern.status_code, old.status_code) == (400, 200)
    assert modern.json() == old.json()
    assert modern.json()["errors"][0]["extensions"]["code"] == code
    assert "data" not in modern.json()


async def test_headers_go_on_by_rule_only(client: httpx.AsyncClient) -> None:
    """A subgraph receives Authorization and the peer's address, and no header without a rule."""
    headers = {"authorization": "Bearer x", "x-user-id": "1", "cookie": "a=b", "x-forwarded-for": "10.0.0.1"}
    response = await client.post("/graphql", json={"query": "{ hello }"}, headers=headers)
    assert response.json()["data"]["hello"] == "authorization,x-forwarded-for"


async def test_the_plan_comes_when_it_is_asked_for(client: httpx.AsyncClient) -> None:
    """With the header x-gateway-plan the response has the plan in its extensions; without it there
    are none.
    """
    body = {"query": "{ hello }"}
    with_plan = await client.post("/graphql", json=body, headers={"x-gateway-plan": "1"})
    assert with_plan.json()["extensions"]["plan"]["json"]["stages"][0][0]["subgraph"] == "a"
    assert "extensions" not in (await client.post("/graphql", json=body)).json()


async def test_health_and_pages(client: httpx.AsyncClient) -> None:
    """The health checks reply; a browser gets GraphiQL; the error for other paths names the endpoint."""
    assert (await client.get("/health/live")).json() == {"status": "ok"}
    assert (await client.get("/health/ready")).json() == {"status": "ok", "subgraphs": {"a": "up"}}
    page = await client.get("/graphql", headers={"accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert (await client.get("/")).headers["location"] == "/graphql"
    assert "/graphql" in (await client.get("/nowhere")).json()["errors"][0]["message"]


async def test_introspection_and_graphiql_can_be_off() -> None:
    """With --production there is no introspection, no GraphiQL and no plan."""
    settings = Settings(introspection=False, graphiql=False, plan_header=False)
    app = create_app(supergraph_of(SDLS), settings, {"a": hello})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        refused = await client.post("/graphql", json={"query": "{ __schema { types { name } } }"})
        assert "introspection is disabled" in refused.json()["errors"][0]["message"]
        assert (
            "extensions"
            not in (
                await client.post("/graphql", json={"query": "{ hello }"}, headers={"x-gateway-plan": "1"})
            ).json()
        )
        assert (await client.get("/graphql", headers={"accept": "text/html"})).status_code == 406


async def test_a_repeated_operation_touches_neither_parser_nor_planner() -> None:
    """For a repeated document, valid or refused, neither parser nor planner runs."""
    engine, transport = fake_engine(SDLS, lambda _: {"data": {"hello": "x"}})
    gateway = Gateway(engine)
    endpoint = partial(serve_graphql, Endpoint(gateway, 1_000_000))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(endpoint), base_url="http://gateway"
    ) as client:
        for number in range(5):
            body = {"query": "query ($n: String) { hello(name: $n) }", "variables": {"n": str(number)}}
            await client.post("/graphql", json=body)
            await client.post("/graphql", json={"query": "{ wrong }"})
    prepared = gateway.prepared
    assert (prepared.documents.misses, prepared.plans.misses, len(transport.requests)) == (2, 1, 5)


async def test_a_mistake_of_ours_is_told_by_id_only() -> None:
    """An unexpected exception is a 500 with an id, without any detail of the exception."""

    def break_down(_: Call) -> Any:
        return RuntimeError("password=hunter2")

    engine, _ = fake_engine(SDLS, break_down)
    gateway = Gateway(engine)
    endpoint = partial(serve_graphql, Endpoint(gateway, 1_000_000))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(endpoint), base_url="http://gateway"
    ) as client:
        response = await client.post("/graphql", json={"query": "{ hello }"})
    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert json.loads(response.text)["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
