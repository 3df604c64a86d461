"""Subgraphs that reply with arbitrary values, and operations that are made to be expensive to plan."""

import json
from typing import Any

import pytest

from gateway.pipeline import check, pick, prepare, variables_for
from gateway.settings import Limits, Settings
from gateway.transport.base import Call
from tests.gateway.support import ask, fake_engine

SDLS = {
    "a": """
        type Query { u: U us: [U] s: [S] n: N }
        interface N { id: ID }
        union S = X | Y
        type X { c: C1 d: String } type Y { c: C2 d: String } type C1 { p: Int } type C2 { p: Int }
        type U implements N @key(fields: "id") { id: ID! code: String a: Int b: Int friend: U }
        type Mutation { m(a: Int): U }
    """,
    "b": """type U @key(fields: "id") { id: ID! n: Int nn: Int! }""",
    "c": """type U @key(fields: "id") { id: ID! c: Int }""",
}
WRONG: list[Any] = [None, 0, "", "x", True, 1.5, [], [[]], {}, {"a": 1}, [1, {"x": []}], 2**70]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize(
    "place", ["data", "errors", "error", "path", "step", "typename", "key", "entities", "entity"]
)
async def test_whatever_a_subgraph_says_there_is_an_answer(wrong: Any, place: str) -> None:
    """A value of a wrong kind anywhere in a reply never breaks the whole response."""

    def replying(request: Call) -> Any:
        if request.subgraph == "a":
            user: dict[str, Any] = {"__typename": "U", "id": "1", "code": "x"}
            user |= {"typename": {"__typename": wrong}, "key": {"id": wrong}}.get(place, {})
            return {"data": {"u": user, "n": user}}
        reply: dict[str, Any] = {"data": {"_entities": [{"n": 1}]}}
        changes: dict[str, dict[str, Any]] = {
            "data": {"data": wrong},
            "errors": {"errors": wrong},
            "error": {"errors": [wrong]},
            "path": {"errors": [{"message": "m", "path": wrong}]},
            "step": {"errors": [{"message": "m", "path": ["_entities", wrong, wrong]}]},
            "entities": {"data": {"_entities": wrong}},
            "entity": {"data": {"_entities": [wrong]}},
        }
        return {**reply, **changes.get(place, {})}

    engine, _ = fake_engine(SDLS, replying)
    answer = await ask(engine, "{ u { code n } n { id ... on U { n } } }")
    assert answer["data"] is None or set(answer["data"]) == {"u", "n"}
    json.dumps(answer)


async def test_errors_are_placed_under_the_clients_keys() -> None:
    """An error under an alias of the request gets the client's key; an error in a field that only the plan
    needs is the object's.
    """

    def replying(request: Call) -> Any:
        assert "c__1" in request.query
        error = {"message": "no", "path": ["s", 0, "c__1"]}
        return {"data": {"s": [{"__typename": "Y", "c__1": None}]}, "errors": [error]}

    engine, _ = fake_engine(SDLS, replying)
    answer = await ask(engine, "{ s { ... on X { c { p } } ... on Y { c { p } } } }")
    assert answer["data"] == {"s": [{"c": None}]}
    assert answer["errors"][0]["path"] == ["s", 0, "c"]

    def key_fails(request: Call) -> Any:
        return {"data": {"u": {"id": None}}, "errors": [{"message": "no", "path": ["u", "id"]}]}

    engine, _ = fake_engine(SDLS, key_fails)
    answer = await ask(engine, "{ u { n } }")
    assert answer["errors"][0]["path"] == ["u"]


async def test_fields_come_in_the_order_of_the_operation() -> None:
    """Keys are in the order of the operation, through fragments (GraphQL spec, CollectFields)."""
    user = {"__typename": "U", "id": "1", "a": 1, "b": 2}
    engine, _ = fake_engine(SDLS, lambda _: {"data": {"n": user}})
    answer = await ask(engine, "{ n { ... on U { a } id ... on U { b __typename } } }")
    assert list(answer["data"]["n"]) == ["a", "id", "b", "__typename"]


async def test_an_object_without_a_type_is_null() -> None:
    """If the selection depends on an object's type and no subgraph returns it, the object is null with an
    error.
    """
    engine, _ = fake_engine(SDLS, lambda _: {"data": {"n": {"id": "1"}}})
    answer = await ask(engine, "{ n { id __typename } }")
    assert answer["data"] == {"n": None}
    assert answer["errors"][0]["path"] == ["n"]
    assert await ask(engine, "{ n { id } }") == {"data": {"n": {"id": "1"}}}


async def test_many_nulls_are_explained_each() -> None:
    """Thousands of unexplained nulls get an error each, at their paths."""
    count = 5_000

    def replying(request: Call) -> Any:
        if request.subgraph == "a":
            return {"data": {"us": [{"id": str(number)} for number in range(count)]}}
        return {"data": {"_entities": [None] * count}}

    engine, _ = fake_engine(SDLS, replying)
    answer = await ask(engine, "{ us { nn } }")
    assert answer["data"] == {"us": [None] * count}
    assert {tuple(error["path"]) for error in answer["errors"]} == {
        ("us", number, "nn") for number in range(count)
    }


@pytest.mark.parametrize(
    ("query", "fetches"),
    [
        ("{" + " ".join(f"a{i}: u {{ n c }}" for i in range(990)) + "}", 3),
        (
            "{"
            + " ".join(
                f"a{i}: u {{" + " ".join(f"f{j}: friend {{ n }}" for j in range(80)) + "}" for i in range(22)
            )
            + "}",
            2,
        ),
        ("mutation {" + " ".join(f"a{i}: m(a: 1) {{ id }}" for i in range(990)) + "}", 1),
    ],
    ids=["aliases", "nested", "mutation"],
)
def test_large_operations_make_few_requests(query: str, fetches: int) -> None:
    """A thousand aliases are planned within the limits, with as many requests as one alias needs."""
    limits = Limits(root_fields=1_000, aliases=2_000)
    engine, _ = fake_engine(SDLS, lambda _: {}, Settings(limits=limits))
    checked = check(engine, query)
    node = pick(checked, None)
    prepared = prepare(engine, checked, node, variables_for(engine, node, {}))
    assert len(prepared.plan.fetches) == fetches
