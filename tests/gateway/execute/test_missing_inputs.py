"""Missing inputs of @requires: only the fields that need them are null, and the errors name the right
subgraph.
"""

import asyncio
import re
from typing import Any

import pytest

from gateway.core.errors import SubgraphError
from gateway.transport.base import Call
from tests.gateway.support import ask, fake_engine

SDLS = {
    "a": 'type Query { ps: [P] } type P @key(fields: "id") { id: ID! }',
    "b": 'type P @key(fields: "id") { id: ID! w: Int! n: Int box: Box } type Box { x: Int y: Int! }',
    "c": """
        type P @key(fields: "id") {
            id: ID! w: Int! @external n: Int @external box: Box @external free: Int @shareable
            cost: String @requires(fields: "w") soft: String @requires(fields: "n")
            boxed: String @requires(fields: "box { x }") both: String @requires(fields: "w n")
        }
        type Box { x: Int @external }
    """,
    "d": """
        type P @key(fields: "id") {
            id: ID! cost: String @external free: Int @shareable twice: String @requires(fields: "cost")
        }
    """,
}


class Subgraphs:
    """`b` has the entity 1; each test sets its values of the entity 2."""

    def __init__(self, second: Any) -> None:
        self.second = second
        self.asked: list[str] = []

    def __call__(self, call: Call) -> Any:
        """Reply to a call."""
        self.asked.append(call.subgraph)
        if call.subgraph == "a":
            return {"data": {"ps": [{"id": "1"}, {"id": "2"}]}}
        names = [name for name in call.variables if name.startswith("representations")]
        errors: list[Any] = []
        data = {}
        for field, name in zip(call.template.fields, sorted(names), strict=True):
            given = call.variables[name]
            asked = fields_of(call.query, field)
            made = (
                self.b(call, field, given, errors)
                if call.subgraph == "b"
                else [told(one, asked) for one in given]
            )
            if isinstance(made, Exception):
                return made
            data[field] = made
        return {"data": data, "errors": errors} if errors else {"data": data}

    def b(self, call: Call, field: str, given: list[Any], errors: list[Any]) -> Any:
        """Return b's values of the inputs."""
        if isinstance(self.second, Exception):
            return self.second
        out = []
        for place, one in enumerate(given):
            whole = {"w": 7, "n": 8, "box": {"x": 9, "y": 1}, "_box_1": {"x": 9}}
            if one["id"] == "2":
                whole = self.second
                if callable(whole):
                    whole = whole(call.query, [field, place], errors)
            out.append(whole)
        return out


def fields_of(query: str, field: str) -> set[str]:
    """Return the fields that a lookup selects on its entities."""
    found = re.search(field + r"[^{]*\{\.\.\.on P\{(.*?)\}\}", query)
    assert found is not None
    return set(found[1].split())


def told(one: Any, asked: set[str]) -> Any:
    """Return the values of c and d for an entity, which show their inputs."""
    shown = {"cost": "w", "soft": "n", "boxed": "box", "both": "w", "twice": "cost"}
    every = {"free": 5} | {key: f"{one.get(name)}" for key, name in shown.items()}
    return {key: value for key, value in every.items() if key in asked}


def answer(query: str, second: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the response, and the names of the called subgraphs."""
    subgraphs = Subgraphs(second)
    engine, _ = fake_engine(SDLS, subgraphs)
    return asyncio.run(ask(engine, query)), subgraphs.asked


def failing_w(query: str, path: list[Any], errors: list[Any]) -> Any:
    """Return data in which `w` fails, which nulls its object if `w` is selected."""
    if "w" in fields_of(query, path[0]):
        errors.append({"message": "no weight", "path": [*path, "w"], "extensions": {"code": "SCALE"}})
        return None
    return {"n": 8, "box": {"x": 9}}


@pytest.mark.parametrize(
    ("second", "message", "code"),
    [
        (None, "subgraph b returned null for this entity", "SUBGRAPH_BAD_RESPONSE"),
        ({"w": None, "n": 8}, "subgraph b returned null for w, which can't be null", "SUBGRAPH_BAD_RESPONSE"),
        ({"n": 8}, "subgraph b returned no value for w", "SUBGRAPH_BAD_RESPONSE"),
        (
            SubgraphError("could not be reached", "SUBGRAPH_UNREACHABLE", subgraph="b"),
            "subgraph b could not be reached",
            "SUBGRAPH_UNREACHABLE",
        ),
    ],
)
def test_field_without_inputs_survives(second: Any, message: str, code: str) -> None:
    """The other object, and the field that needs no input, have values; the error names the subgraph."""
    response, asked = answer("{ ps { cost free } }", second)
    lost = isinstance(second, Exception)
    first = {"cost": None if lost else "7", "free": 5}
    assert response["data"] == {"ps": [first, {"cost": None, "free": 5}]}
    places = [["ps", 0, "cost"], ["ps", 1, "cost"]] if lost else [["ps", 1, "cost"]]
    extensions = {"code": code, "service": "b"}
    assert response["errors"] == [
        {"message": message, "path": place, "extensions": extensions} for place in places
    ]
    assert asked == ["a", "b", "c"] if lost else ["a", "b", "c", "c"]


def test_each_field_lacks_its_own_inputs() -> None:
    """An input that fails affects only the fields that need it, and no other input."""
    response, asked = answer("{ ps { cost soft boxed both free } }", failing_w)
    assert response["data"]["ps"][1] == {
        "cost": None,
        "soft": "8",
        "boxed": "{'x': 9}",
        "both": None,
        "free": 5,
    }
    assert {tuple(error["path"]) for error in response["errors"]} >= {("ps", 1, "cost"), ("ps", 1, "both")}
    assert asked.count("a") == 2  # the hasty plan, and the careful one


def test_null_where_it_may_be_is_an_input() -> None:
    """A nullable input that is null is sent as null."""
    response, _ = answer("{ ps { soft boxed } }", {"n": None, "box": None})
    assert response == {
        "data": {"ps": [{"soft": "8", "boxed": "{'x': 9}"}, {"soft": "None", "boxed": "None"}]}
    }


def test_input_that_the_client_selects_with_a_stricter_field() -> None:
    """The client's `y` fails and nulls its `box`; the input `box { x }` still has its value."""

    def second(query: str, path: list[Any], errors: list[Any]) -> Any:
        if "_box_1" not in query:
            errors.append({"message": "no y", "path": [*path, "box", "y"]})
            return {"box": None}
        errors.append({"message": "no y", "path": [*path, "box", "y"]})
        return {"box": None, "_box_1": {"x": 9}}

    response, _ = answer("{ ps { box { x y } boxed } }", second)
    assert response["data"]["ps"][1] == {"box": None, "boxed": "{'x': 9}"}
    assert [error["path"] for error in response["errors"]] == [["ps", 1, "box", "y"]]


def test_field_that_needs_a_field_that_lacks_an_input() -> None:
    """`cost` lacks an input and is null; `twice` gets null as its input, since that is allowed."""
    response, _ = answer("{ ps { twice free } }", None)
    assert response["data"]["ps"][1] == {"twice": "None", "free": 5}
