"""@fromContext: arguments whose values come from enclosing objects, planned and executed."""

from typing import Any

import pytest

from tests.gateway.subgraph import Subgraph, transport_of
from tests.gateway.support import ask, engine_of, supergraph_of

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.8", '
    'import: ["@key", "@context", "@fromContext"])\n'
)
BOOKS = """
type Query { shelves: [Shelf] readers: [Reader] anything: [Any2] }
union Any2 = Shelf | Reader
type Shelf @key(fields: "id") @context(name: "place") { id: ID! room: String! books: [Book] first: Book }
type Reader @key(fields: "id") @context(name: "place") { id: ID! home: String! books: [Book] inner: Shelf }
type Book @key(fields: "id") {
  id: ID!
  title: String
  label(
    where: String @fromContext(field: "$place ... on Shelf { room } ... on Reader { home }")
    shout: Boolean
  ): String
}
"""
PRICES = """
type Book @key(fields: "id") { id: ID! price: Int }
type Shelf @key(fields: "id") { id: ID! top: Book }
"""


def label(book: dict[str, Any], where: str | None = None, shout: bool = False) -> str:
    """Return a book's label, which shows the arguments."""
    text = f"{book['title']} at {where}"
    return text.upper() if shout else text


def book(number: int) -> dict[str, Any]:
    """Return a book."""
    return {"__typename": "Book", "id": str(number), "title": f"b{number}", "label": label}


SHELVES: list[dict[str, Any]] = [
    {"__typename": "Shelf", "id": "s1", "room": "kitchen", "books": [book(1), book(2)], "first": book(1)},
    {"__typename": "Shelf", "id": "s2", "room": "hall", "books": [book(1)], "first": None},
]
READERS: list[dict[str, Any]] = [
    {"__typename": "Reader", "id": "r1", "home": "boat", "books": [book(2)], "inner": SHELVES[1]}
]


def library() -> dict[str, Subgraph]:
    """Return the two subgraphs."""
    entities = {f"Book:{one}": book(one) for one in (1, 2)} | {f"Shelf:{one['id']}": one for one in SHELVES}
    root = {"shelves": SHELVES, "readers": READERS, "anything": [*SHELVES, *READERS]}
    priced = {"Book:1": {"__typename": "Book", "id": "1", "price": 5}}
    tops = {
        f"Shelf:{one}": {"__typename": "Shelf", "id": one, "top": {"id": "1", "price": 5}}
        for one in ("s1", "s2")
    }
    return {
        "books": Subgraph(LINK + BOOKS, {"Query": root, **entities}),
        "prices": Subgraph(LINK + PRICES, {**priced, **tops}),
    }


async def run(query: str) -> tuple[dict[str, Any], dict[str, Subgraph]]:
    """Return the response to a query, and the subgraphs with their requests."""
    subgraphs = library()
    sdls = {"books": LINK + BOOKS, "prices": LINK + PRICES}
    engine = engine_of(supergraph_of(sdls, linked=False), transport_of(subgraphs))
    return await ask(engine, query), subgraphs


@pytest.mark.parametrize(
    ("query", "data"),
    [
        (
            "{ shelves { books { label } } }",
            {
                "shelves": [
                    {"books": [{"label": "b1 at kitchen"}, {"label": "b2 at kitchen"}]},
                    {"books": [{"label": "b1 at hall"}]},
                ]
            },
        ),
        (
            "{ shelves { first { label } } }",
            {"shelves": [{"first": {"label": "b1 at kitchen"}}, {"first": None}]},
        ),
        (
            "{ readers { books { label } inner { books { label(shout: true) } } } }",
            {
                "readers": [
                    {"books": [{"label": "b2 at boat"}], "inner": {"books": [{"label": "B1 AT HALL"}]}}
                ]
            },
        ),
        (
            "{ shelves { top { label price } } }",
            {
                "shelves": [
                    {"top": {"label": "b1 at kitchen", "price": 5}},
                    {"top": {"label": "b1 at hall", "price": 5}},
                ]
            },
        ),
        (
            "query Q($s: Boolean) { shelves { first { label(shout: $s) other: label(shout: true) } } }",
            {"shelves": [{"first": {"label": "b1 at kitchen", "other": "B1 AT KITCHEN"}}, {"first": None}]},
        ),
        (
            "{ anything { ... on Shelf { books { label } } ... on Reader { books { label } } } }",
            {
                "anything": [
                    {"books": [{"label": "b1 at kitchen"}, {"label": "b2 at kitchen"}]},
                    {"books": [{"label": "b1 at hall"}]},
                    {"books": [{"label": "b2 at boat"}]},
                ]
            },
        ),
    ],
)
async def test_answers(query: str, data: dict[str, Any]) -> None:
    """Each object gets the argument from the nearest enclosing object that sets the context."""
    answer, _ = await run(query)
    assert answer == {"data": data}


async def test_one_request_for_all_contexts() -> None:
    """Objects with different context values are looked up separately in one request, those with equal values
    together.
    """
    _, subgraphs = await run("{ shelves { books { label } } }")
    assert len(subgraphs["books"].asked) == 2
    text, variables = subgraphs["books"].asked[1]
    assert text.count("_entities(") == 2
    assert sorted(value for value in variables.values() if isinstance(value, str)) == ["hall", "kitchen"]


async def test_what_a_client_writes_stays_as_it_is() -> None:
    """Strings that look like the request's own variables, and variables of the same names, remain the
    client's.
    """
    subgraphs = library()
    sdl = LINK + BOOKS.replace("shout: Boolean", "shout: Boolean, note: String")

    def noted(source: dict[str, Any], where: str | None = None, note: str | None = None) -> str:
        return f"{where} {note}"

    shelves = [
        {**SHELVES[0], "first": {**book(1), "label": noted}},
        {**SHELVES[1], "first": {**book(1), "label": noted}},
    ]
    books = {"Query": {"shelves": shelves}, "Book:1": {**book(1), "label": noted}}
    subgraphs["books"] = Subgraph(sdl, books)
    engine = engine_of(
        supergraph_of({"books": sdl, "prices": LINK + PRICES}, linked=False), transport_of(subgraphs)
    )
    text = '{ shelves { first { label(note: "$representations0 $context__0") } } }'
    written = (await ask(engine, text))["data"]["shelves"]
    assert [one["first"]["label"] for one in written] == [
        f"{room} $representations0 $context__0" for room in ("kitchen", "hall")
    ]
    given = "query Q($context__0: String) { shelves { first { label(note: $context__0) } } }"
    asked = (await ask(engine, given, {"context__0": "mine"}))["data"]["shelves"]
    assert [one["first"]["label"] for one in asked] == ["kitchen mine", "hall mine"]


async def test_clients_do_not_see_the_argument() -> None:
    """The argument from the context is not part of the API schema; the others are."""
    answer, _ = await run('{ __type(name: "Book") { fields { name args { name } } } }')
    fields = {
        one["name"]: [each["name"] for each in one["args"]] for one in answer["data"]["__type"]["fields"]
    }
    assert fields["label"] == ["shout"]


async def test_a_context_that_fails_fails_what_needs_it() -> None:
    """If a context's value is an error, only the fields that need it are null."""
    subgraphs = library()
    broken = {**SHELVES[0], "room": None}
    subgraphs["books"].data = {**subgraphs["books"].data, "Query": {"shelves": [broken, SHELVES[1]]}}
    engine = engine_of(
        supergraph_of({"books": LINK + BOOKS, "prices": LINK + PRICES}, linked=False), transport_of(subgraphs)
    )
    answer = await ask(engine, "{ shelves { id first { id label } } }")
    assert answer["data"]["shelves"][1] == {"id": "s2", "first": None}
    assert answer["errors"]
