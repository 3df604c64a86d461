"""Extensions of subgraphs: the allowed ones reach the client, merged in the plan's order, on every path."""

from typing import Any

import orjson
import pytest

from gateway.core.envelope import encoded_body
from gateway.execute.extensions import merge_extensions
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Settings
from gateway.transport.base import Call
from gateway.transport.fake import FakeTransport
from tests.gateway.support import gateway_of

SDLS = {
    "a": 'type Query { thing: Thing } type Thing @key(fields: "id") { id: ID! name: String }',
    "b": 'type Thing @key(fields: "id") { id: ID! color: String }',
}
ONE, TWO = GraphQLRequest("{ thing { name } }"), GraphQLRequest("{ thing { name color } }")


async def respond(
    ask: GraphQLRequest, a: Any, b: Any, **settings: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the responses to an operation whose subgraphs return these extensions: first planned, then
    cached.
    """

    def reply(request: Call) -> Any:
        if request.subgraph == "b":
            return {"data": {"_entities": [{"color": "red"}]}, "extensions": b}
        thing = {"__typename": "Thing", "id": "1", "name": "x"} if "id" in request.query else {"name": "x"}
        return {"data": {"thing": thing}, "extensions": a}

    gateway = gateway_of(SDLS, FakeTransport(reply), Settings(**settings))
    first, second = [orjson.loads(encoded_body(await gateway.answer(ask, {}))) for _ in range(2)]
    return first, second


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("ask", [ONE, TWO])
@pytest.mark.parametrize("given", [{"cost": 1, "secret": 2}, {"secret": 2}, {}, None, 5, [1], "x"])
async def test_what_is_not_allowed_goes_nowhere(compile: bool, ask: GraphQLRequest, given: Any) -> None:
    """Without allowed keys there are no extensions; with some, only these keys, and only of objects."""
    for response in await respond(ask, given, given, compile=compile):
        assert "extensions" not in response
        assert response["data"]["thing"]["name"] == "x"
    found = {"cost": 1} if isinstance(given, dict) and "cost" in given else None
    for response in await respond(ask, given, given, compile=compile, extensions=frozenset({"cost"})):
        assert response.get("extensions") == found
        assert "errors" not in response


@pytest.mark.parametrize("compile", [True, False])
async def test_several_fetches_are_merged(compile: bool) -> None:
    """Objects are merged key by key; otherwise the first fetch of the plan takes precedence."""
    a, b = {"t": {"x": 1, "l": [1]}, "only": 1}, {"t": {"x": 2, "l": [2], "y": 3}, "more": None}
    allowed = frozenset({"t", "only", "more"})
    for response in await respond(TWO, a, b, compile=compile, extensions=allowed):
        assert response["extensions"] == {"t": {"x": 1, "l": [1], "y": 3}, "only": 1, "more": None}


async def test_the_plan_stands_beside_them() -> None:
    """The gateway's own extension `plan` and those of subgraphs are in one object."""
    transport = FakeTransport(lambda _: {"data": {"thing": {"name": "x"}}, "extensions": {"cost": 1}})
    gateway = gateway_of(SDLS, transport, Settings(extensions=frozenset({"cost"})))
    response = orjson.loads(encoded_body(await gateway.answer(GraphQLRequest(ONE.query, plan=True), {})))
    assert set(response["extensions"]) == {"cost", "plan"}


def test_the_order_of_replies_does_not_matter() -> None:
    """The merged extensions depend on the order of fetches in the plan, not on the order of replies."""
    assert merge_extensions({2: {"a": 2}, 1: {"a": 1}}, ["a"]) == {"a": 1}
