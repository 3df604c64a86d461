"""Corners of the GraphQL spec that a gateway easily gets wrong."""

from typing import Any

from gateway.transport.base import Call
from tests.gateway.support import ask, fake_engine


async def test_a_mutation_ends_with_a_lost_root_field() -> None:
    """A non-null root field that fails makes `data` null, and later fields do not run (GraphQL spec, 6.2.2
    and 6.4.4).
    """
    sdls = {
        "a": "type Query { x: Int } type Mutation { first: Int! }",
        "b": "type Mutation { second: Int }",
    }

    def replying(request: Call) -> Any:
        failed = {"data": None, "errors": [{"message": "no", "path": ["first"]}]}
        return failed if request.subgraph == "a" else {"data": {"second": 2}}

    engine, transport = fake_engine(sdls, replying)
    response = await ask(engine, "mutation { first second }")
    assert response["data"] is None
    assert [request.subgraph for request in transport.requests] == ["a"]
    again, transport = fake_engine(sdls, replying)
    response = await ask(again, "mutation { second first }")
    assert [request.subgraph for request in transport.requests] == ["b", "a"]


async def test_a_mutation_goes_on_after_a_nullable_field() -> None:
    """A nullable root field that fails is null, and the next one runs."""
    sdls = {"a": "type Query { x: Int } type Mutation { first: Int }", "b": "type Mutation { second: Int }"}

    def replying(request: Call) -> Any:
        failed = {"data": {"first": None}, "errors": [{"message": "no", "path": ["first"]}]}
        return failed if request.subgraph == "a" else {"data": {"second": 2}}

    engine, _ = fake_engine(sdls, replying)
    response = await ask(engine, "mutation { first second }")
    assert response["data"] == {"first": None, "second": 2}
    assert [error["path"] for error in response["errors"]] == [["first"]]


async def test_introspection_below_a_nested_query_root() -> None:
    """`__schema` and `__type` work wherever the query root is selected, with variables, and no subgraph
    receives them.
    """
    sdls = {"a": "type Query { viewer: Viewer } type Viewer { query: Query name: String }"}
    engine, transport = fake_engine(
        sdls, lambda _: {"data": {"viewer": {"name": "v", "query": {"viewer": {"name": "w"}}}}}
    )
    query = """query($name: String!) { viewer { name query {
        viewer { name } __schema { queryType { name } }
        type: __type(name: $name) { kind ... on __Type { name } }
    } } }"""
    response = await ask(engine, query, {"name": "Viewer"})
    assert response == {
        "data": {
            "viewer": {
                "name": "v",
                "query": {
                    "viewer": {"name": "w"},
                    "__schema": {"queryType": {"name": "Query"}},
                    "type": {"kind": "OBJECT", "name": "Viewer"},
                },
            }
        }
    }
    assert "__schema" not in transport.requests[0].query


async def test_lists_of_different_lengths() -> None:
    """If subgraphs return a list with different lengths, the fields of the second get errors, not wrong
    items.
    """
    sdls = {
        "a": "type Query { t: T } "
        'type T @key(fields: "id") { id: ID! items: [I] @shareable } type I { x: Int }',
        "b": 'type T @key(fields: "id") { id: ID! items: [I] @shareable } type I { y: Int }',
    }

    def replying(request: Call) -> Any:
        if request.subgraph == "a":
            return {"data": {"t": {"id": "1", "items": [{"x": 1}, {"x": 2}]}}}
        return {"data": {"_entities": [{"items": [{"y": 1}]}]}}

    engine, _ = fake_engine(sdls, replying)
    response = await ask(engine, "{ t { items { x y } } }")
    assert response["data"] == {"t": {"items": [{"x": 1, "y": None}, {"x": 2, "y": None}]}}
    assert {error["extensions"]["code"] for error in response["errors"]} == {"SUBGRAPH_BAD_RESPONSE"}
