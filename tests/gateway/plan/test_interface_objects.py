"""Fields of interface objects under a type condition: exact, and without an additional round if nothing
fails.
"""

import asyncio
from typing import Any

from gateway.transport.base import Call
from tests.gateway.support import ask, fake_engine

SDLS = {
    "a": """
        interface Media @key(fields: "id") { id: ID! }
        type Book implements Media @key(fields: "id") { id: ID! }
        type Film implements Media @key(fields: "id") { id: ID! }
        type Query { all: [Media] }
    """,
    "b": """
        type Query { rated: [Media] }
        type Mutation { rate: [Media] }
        type Media @key(fields: "id") @interfaceObject { id: ID!  stars: Int  trailer: String! }
    """,
}
TYPES = {"1": "Book", "2": "Film"}


class Subgraphs:
    """Both subgraphs, with a book, which has no trailer, and a film."""

    def __init__(self, failing: bool) -> None:
        self.failing = failing
        self.asked: list[str] = []

    def __call__(self, call: Call) -> Any:
        """Reply to a call."""
        self.asked.append(f"{call.subgraph} {call.query}")
        if "_entities" in call.query:
            batches = [value for name, value in call.variables.items() if name.startswith("representations")]
            pairs = zip(call.template.fields, batches, strict=True)
            return {"data": {field: [self.entity(call, one) for one in batch] for field, batch in pairs}}
        if call.subgraph == "a":
            return {"data": {"all": [{"id": one, "__typename": TYPES[one]} for one in TYPES]}}
        root = "rate" if "rate{" in call.query else "rated"
        if "trailer" in call.query and self.failing:
            error = {"message": "a book has no trailer", "path": [root, 0, "trailer"]}
            return {"data": {root: [None, {"id": "2", "trailer": "T"}]}, "errors": [error]}
        return {"data": {root: [{"id": one, "trailer": "T", "stars": 3} for one in TYPES]}}

    def entity(self, call: Call, representation: dict[str, Any]) -> dict[str, Any]:
        """Return one entity."""
        if call.subgraph == "a":
            return {"__typename": TYPES[representation["id"]]}
        return {"trailer": "T", "stars": 3}


def answer(query: str, failing: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the response to a query, and the requests for it."""
    subgraphs = Subgraphs(failing)
    engine, _ = fake_engine(SDLS, subgraphs)
    return asyncio.run(ask(engine, query)), [text.split(" ", 1)[0] for text in subgraphs.asked]


QUERY = "{ rated { ... on Film { trailer } } }"


def test_no_round_more_while_nothing_fails() -> None:
    """The field is fetched for all objects in one request; values for other types are not in the response."""
    response, asked = answer(QUERY, failing=False)
    assert response == {"data": {"rated": [{}, {"trailer": "T"}]}}
    assert asked == ["b", "a"]


def test_failure_for_an_object_of_another_type() -> None:
    """The field fails for the book, for which the client did not select it: the book is returned, without an
    error.
    """
    response, asked = answer(QUERY, failing=True)
    assert response == {"data": {"rated": [{}, {"trailer": "T"}]}}
    assert asked == ["b", "a", "b", "a", "b"]


def test_mutation_is_careful_from_the_start() -> None:
    """A mutation gets the careful plan, since it can't run again."""
    response, asked = answer("mutation { rate { ... on Film { trailer } } }", failing=True)
    assert response == {"data": {"rate": [{}, {"trailer": "T"}]}}
    assert asked == ["b", "a", "b"]


def test_types_that_are_known() -> None:
    """If a subgraph that knows the types comes first, only objects of the type are looked up."""
    subgraphs = Subgraphs(failing=True)
    engine, transport = fake_engine(SDLS, subgraphs)
    response = asyncio.run(ask(engine, "{ all { stars ... on Film { trailer } } }"))
    asked = [call.subgraph for call in transport.requests]
    variables = transport.requests[1].variables
    trailers = [one["id"] for one in variables["representations1"]]
    assert response == {"data": {"all": [{"stars": 3}, {"stars": 3, "trailer": "T"}]}}
    assert asked == ["a", "b"]
    assert trailers == ["2"]
