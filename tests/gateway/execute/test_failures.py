"""Responses when subgraphs fail or return nulls or wrong values: exact nulls, and errors with their paths."""

from typing import Any

import pytest

from gateway.core.errors import RequestError, SubgraphError
from gateway.settings import Limits, Settings
from gateway.transport.base import Call
from gateway.transport.fake import Replying
from tests.gateway.support import ask, fake_engine

SDLS = {
    "a": """
        type Query { things: [Thing] one: Thing! any: [Any] }
        union Any = Thing | Stone
        type Stone { weight: Int }
        type Thing @key(fields: "id") { id: ID! name: String! size: Size }
        enum Size { SMALL LARGE }
        type Mutation { add(n: Int!): Int }
    """,
    "b": """type Thing @key(fields: "id") { id: ID! color: String price: Int! tags: [String!] }""",
}
THINGS = [
    {"__typename": "Thing", "id": "1", "name": "x", "size": "SMALL"},
    {"__typename": "Thing", "id": "2", "name": "y", "size": "LARGE"},
]


def replies(b: Any, a: Any = None) -> Replying:
    """Return a function for FakeTransport: subgraph a replies with two things, or as given, subgraph b as
    given.
    """

    def replying(request: Call) -> Any:
        return (a or {"data": {"things": THINGS}}) if request.subgraph == "a" else b

    return replying


async def test_entities_are_merged_in_place() -> None:
    """Each entity gets the other subgraph's fields; keys that the client did not select are not in the
    response.
    """
    b = {"data": {"_entities": [{"color": "red"}, {"color": None}]}}
    engine, transport = fake_engine(SDLS, replies(b))
    response = await ask(engine, "{ things { name color } }")
    assert response == {"data": {"things": [{"name": "x", "color": "red"}, {"name": "y", "color": None}]}}
    assert transport.requests[1].variables == {
        "representations": [{"__typename": "Thing", "id": "1"}, {"__typename": "Thing", "id": "2"}]
    }


async def test_equal_entities_are_asked_for_once() -> None:
    """A list with the same entity three times makes one representation."""
    a = {"data": {"things": [THINGS[0], THINGS[1], THINGS[0], None, THINGS[0]]}}
    engine, transport = fake_engine(
        SDLS, replies({"data": {"_entities": [{"color": "r"}, {"color": "g"}]}}, a)
    )
    response = await ask(engine, "{ things { color } }")
    variables = transport.requests[1].variables or {}
    assert len(variables["representations"]) == 2
    assert [one and one["color"] for one in response["data"]["things"]] == ["r", "g", "r", None, "r"]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (SubgraphError("can't be reached", "SUBGRAPH_UNREACHABLE", subgraph="b"), "SUBGRAPH_UNREACHABLE"),
        ({"data": "text"}, "SUBGRAPH_BAD_RESPONSE"),
        ([1, 2], "SUBGRAPH_BAD_RESPONSE"),
        ({}, "SUBGRAPH_BAD_RESPONSE"),
        ({"data": {"_entities": [{"color": "one too few"}]}}, "SUBGRAPH_BAD_RESPONSE"),
        ({"errors": [{"message": "no", "extensions": {"code": "UNAUTHENTICATED"}}]}, "UNAUTHENTICATED"),
    ],
)
async def test_a_failing_subgraph_costs_its_own_fields(failure: Any, code: str) -> None:
    """However a subgraph fails, only its own fields are null, with an error at each path."""
    engine, _ = fake_engine(SDLS, replies(failure))
    response = await ask(engine, "{ things { name color } }")
    assert response["data"] == {"things": [{"name": "x", "color": None}, {"name": "y", "color": None}]}
    assert [error["path"] for error in response["errors"]] == [["things", 0, "color"], ["things", 1, "color"]]
    assert {error["extensions"]["code"] for error in response["errors"]} == {code}
    assert {error["extensions"]["service"] for error in response["errors"]} == {"b"}


async def test_null_goes_up_to_the_nearest_nullable() -> None:
    """A null in a non-null field nulls the nearest nullable object, and an error has the path."""
    b = {"data": {"_entities": [{"price": 1}, {"price": None}]}}
    engine, _ = fake_engine(SDLS, replies(b))
    response = await ask(engine, "{ things { price } }")
    assert response["data"] == {"things": [{"price": 1}, None]}
    assert [(error["path"], error["extensions"]["code"]) for error in response["errors"]] == [
        (["things", 1, "price"], "NULL_IN_NON_NULL")
    ]


async def test_null_of_the_root_is_null_data() -> None:
    """A null without any nullable parent makes `data` null."""
    engine, _ = fake_engine(SDLS, replies({}, {"data": {"one": None}}))
    response = await ask(engine, "{ one { id } }")
    assert response["data"] is None
    assert response["errors"][0]["path"] == ["one"]


async def test_an_explained_null_gets_no_second_error() -> None:
    """If the subgraph reports an error for a null field, only that error is in the response, at the
    response's path.
    """
    errors = [
        {
            "message": "secret",
            "path": ["_entities", 1, "cost"],
            "extensions": {"code": "FORBIDDEN", "stacktrace": ["at x"]},
        }
    ]
    engine, _ = fake_engine(SDLS, replies({"data": {"_entities": [{"cost": 1}, None]}, "errors": errors}))
    response = await ask(engine, "{ things { cost: price } }")
    assert response["data"] == {"things": [{"cost": 1}, None]}
    assert [error["path"] for error in response["errors"]] == [["things", 1, "cost"]]
    assert "stacktrace" not in response["errors"][0]["extensions"]


async def test_values_of_wrong_types_are_null() -> None:
    """A value of a wrong type is null with an error, in lists at its position."""
    b = {"data": {"_entities": [{"tags": ["a", 5]}, {"tags": "no list"}]}}
    engine, _ = fake_engine(
        SDLS, replies(b, {"data": {"things": [{**THINGS[0], "size": "HUGE"}, THINGS[1]]}})
    )
    response = await ask(engine, "{ things { tags size } }")
    assert response["data"] == {"things": [{"tags": None, "size": None}, {"tags": None, "size": "LARGE"}]}
    assert {tuple(error["path"]) for error in response["errors"]} == {
        ("things", 0, "tags", 1),
        ("things", 0, "size"),
        ("things", 1, "tags"),
    }


async def test_fragments_follow_the_run_time_type() -> None:
    """Fields of a fragment are in the response only for objects of its type."""
    a = {"data": {"any": [{"__typename": "Stone", "weight": 3}, {"__typename": "Thing", "id": "1"}]}}
    engine, transport = fake_engine(SDLS, replies({"data": {"_entities": [{"color": "red"}]}}, a))
    response = await ask(engine, "{ any { __typename ... on Stone { weight } ... on Thing { color } } }")
    assert response["data"]["any"] == [
        {"__typename": "Stone", "weight": 3},
        {"__typename": "Thing", "color": "red"},
    ]
    assert (transport.requests[1].variables or {})["representations"] == [{"__typename": "Thing", "id": "1"}]


async def test_mutations_run_one_after_the_other_and_are_never_repeatable() -> None:
    """Root fields of a mutation run in their order, and their calls are marked as not repeatable."""
    engine, transport = fake_engine(SDLS, replies({}, {"data": {"x": 1, "y": 2}}))
    await ask(engine, "mutation { x: add(n: 1) y: add(n: 2) }")
    assert [request.repeatable for request in transport.requests] == [False]
    assert transport.requests[0].query == "mutation{x:add(n:1) y:add(n:2)}"


async def test_nothing_is_fetched_for_no_entities() -> None:
    """An empty list needs no second request."""
    engine, transport = fake_engine(SDLS, replies({}, {"data": {"things": []}}))
    assert await ask(engine, "{ things { color } }") == {"data": {"things": []}}
    assert len(transport.requests) == 1


async def test_introspection_is_answered_here() -> None:
    """Introspection and the root's type name call no subgraph, and show no elements of federation."""
    engine, transport = fake_engine(SDLS, replies({}))
    query = """{ __typename __schema { types { name } directives { name } }
        __type(name: "Thing") { fields { name } } }"""
    data = (await ask(engine, query))["data"]
    names = {one["name"] for one in data["__schema"]["types"]}
    assert not any(name.startswith(("join__", "link__", "_")) and not name.startswith("__") for name in names)
    assert {one["name"] for one in data["__schema"]["directives"]} == {
        "skip",
        "include",
        "deprecated",
        "specifiedBy",
        "oneOf",
    }
    assert data["__typename"] == "Query"
    assert {one["name"] for one in data["__type"]["fields"]} == {
        "id",
        "name",
        "size",
        "color",
        "price",
        "tags",
    }
    assert transport.requests == []


@pytest.mark.parametrize(
    "query",
    [
        "{" * 3000 + "}" * 3000,
        "{ things " * 70 + "{ id }" + "}" * 70,
        "query { " + " ".join(f"a{i}: things {{ id }}" for i in range(2000)) + " }",
        "{ things { id } " + " ".join(f"f{i}: __typename" for i in range(9000)) + " }",
        "{ things { ...A } } fragment A on Thing { ...B ...B } "
        + " ".join(
            f"fragment {chr(66 + i)} on Thing {{ ...{chr(67 + i)} ...{chr(67 + i)} }}" for i in range(20)
        )
        + " fragment V on Thing { id }",
    ],
    ids=["braces", "deep", "aliases", "many", "fragments"],
)
async def test_bombs_are_refused(query: str) -> None:
    """Operations that are made to be expensive are refused by a limit, with its code."""
    engine, transport = fake_engine(SDLS, replies({}))
    with pytest.raises(RequestError) as caught:
        await ask(engine, query)
    code = caught.value.code
    assert code.endswith("_LIMIT") or code in ("GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED")
    assert transport.requests == []


async def test_planning_has_a_limit() -> None:
    """Planning stops with an error when it would consider more options than allowed."""
    engine, _ = fake_engine(SDLS, replies({}), Settings(limits=Limits(paths=3)))
    with pytest.raises(RequestError) as caught:
        await ask(engine, "{ things { name color price tags } }")
    assert caught.value.code == "PLAN_LIMIT_EXCEEDED"


async def test_variables_are_coerced_once_and_sent_as_variables() -> None:
    """A variable is sent to subgraphs as a variable; the error for a wrong value has the variable's name."""
    engine, transport = fake_engine(SDLS, replies({}, {"data": {"add": 3}}))
    await ask(engine, "mutation ($n: Int! = 7) { add(n: $n) }")
    assert transport.requests[0].variables == {"n": 7}
    with pytest.raises(RequestError, match=r"\$n") as caught:
        await ask(engine, "mutation ($n: Int!) { add(n: $n) }", {"n": "many"})
    assert caught.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("found", ["Hidden", "Nothing"])
async def test_object_of_a_type_that_the_schema_does_not_have(found: str) -> None:
    """The object is null with an error at its path; the error does not contain the type, which may be hidden
    on purpose.
    """
    sdl = """
        type Query { pets: [Pet] }
        union Pet = Cat | Hidden
        type Cat { name: String }
        type Hidden @inaccessible { name: String }
    """
    pets = [{"__typename": "Cat", "name": "Tom"}, {"__typename": found, "name": "x"}]
    engine, _ = fake_engine({"a": sdl}, lambda _: {"data": {"pets": pets}})
    response = await ask(engine, "{ pets { ... on Cat { name } } }")
    assert response["data"] == {"pets": [{"name": "Tom"}, None]}
    (error,) = response["errors"]
    assert error["path"] == ["pets", 1]
    assert error["extensions"]["code"] == "SUBGRAPH_WRONG_VALUE"
    assert found not in error["message"]
