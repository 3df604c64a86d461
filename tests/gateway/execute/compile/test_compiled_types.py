"""Compiled plans with abstract types: interfaces and unions, their entities, and the cases that the exact
path handles.
"""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gateway.execution import execute
from gateway.pipeline import check, pick, prepare, run
from gateway.transport.base import Call
from tests.gateway.support import fake_engine, inputs_of

SDLS = {
    "a": """
        type Query { all: [Item!] grid: [[Item]!]! node: Node must: Node! one: Shelf }
        interface Node { id: ID! name: String }
        type Shelf { items: [Item] best: Item }
        type Book implements Node @key(fields: "id") { id: ID! name: String pages: Int }
        type Film implements Node @key(fields: "id") {
          id: ID! name: String minutes: Int actors: [Actor] like: Item }
        type Song implements Node { id: ID! name: String }
        type Actor @key(fields: "id") { id: ID! name: String }
        union Item = Book | Film
    """,
    "b": """
        type Book @key(fields: "id") { id: ID! price: Int! tags: [String] }
        type Film @key(fields: "id") { id: ID! price: Int! poster: String }
        type Actor @key(fields: "id") { id: ID! age: Int }
    """,
}
BOOK = {"__typename": "Book", "id": "1", "name": "x", "pages": 3}
FILM = {
    "__typename": "Film",
    "kind": "Film",
    "id": "1",
    "name": "y",
    "minutes": 90,
    "actors": [{"id": "1"}, None],
    "like": BOOK,
}
SONG = {"__typename": "Song", "id": "9", "name": "z"}
B: dict[str, Callable[[str], Any]] = {
    "Book": lambda id_: {"price": int(id_), "tags": ["t", None]},
    "Film": lambda id_: {"price": int(id_) + 100, "poster": None},
    "Actor": lambda id_: {"age": 40},
}


async def both(query: str, a: Any, b: Any = None) -> tuple[Any, Any, bool, list[Call]]:
    """Run both paths. Return their responses, whether the compiled one answered itself, and its calls."""

    def reply(request: Call) -> Any:
        if request.subgraph == "a":
            return {"data": a}
        if b is not None:
            return b
        lists = {
            key: value
            for key, value in (request.variables or {}).items()
            if key.startswith("representations")
        }
        keys = ["_entities"] if list(lists) == ["representations"] else [f"e{key[15:]}" for key in lists]
        found = [[B[one["__typename"]](one["id"]) for one in each] for each in lists.values()]
        return {"data": dict(zip(keys, found, strict=True))}

    engine, transport = fake_engine(SDLS, reply)
    checked = check(engine, query)
    prepared = prepare(engine, checked, pick(checked, None), {})
    assert prepared.program is not None
    written = (await execute(engine, prepared, inputs_of(engine))).response
    asked = list(transport.requests)
    exact = (await run(engine, prepared, inputs_of(engine))).response
    return (
        orjson.loads(written) if isinstance(written, bytes) else written,
        exact,
        isinstance(written, bytes),
        asked,
    )


ALL = """{ all { ... on Book { name price tags } ... on Film {
    minutes price poster actors { age } kind: __typename
    like { ... on Book { price } ... on Film { minutes } } } } }"""


@pytest.mark.parametrize(
    ("query", "a"),
    [
        (ALL, {"all": [BOOK, FILM, {**FILM, "id": "2", "like": FILM}, BOOK, {**BOOK, "id": "2"}]}),
        (ALL, {"all": []}),
        (ALL, {"all": None}),
        ("{ grid { __typename ... on Book { name } } }", {"grid": [[BOOK, None, FILM], []]}),
        ("{ grid { ... on Book { price } } }", {"grid": [[BOOK, None, FILM], []]}),
        ("{ node { name } }", {"node": SONG}),
        ("{ node { name } }", {"node": None}),
        ("{ node { id ... on Book { price } } }", {"node": BOOK}),
        ("{ node { id ... on Book { price } } }", {"node": SONG}),
        ("{ must { ... on Node { name } ... on Film { name price } } }", {"must": FILM}),
        ("{ one { best { ... on Book { price } } items { ... on Film { poster } } } }", {"one": None}),
        (
            "{ one { best { ... on Book { price } } items { ... on Film { poster } } } }",
            {"one": {"best": BOOK, "items": [FILM, None, BOOK]}},
        ),
    ],
)
async def test_types_decide(query: str, a: Any) -> None:
    """Each object gets the fields selected for its type, without the exact path, in the order of the
    operation.
    """
    compiled, exact, through, _ = await both(query, a)
    assert through
    assert orjson.dumps(compiled) == orjson.dumps(exact)
    assert "errors" not in compiled


async def test_equal_ids_of_two_types_are_two_entities() -> None:
    """A book and a film with equal ids are separate entities; a book that occurs twice is looked up once."""
    query = "{ all { ... on Book { price } ... on Film { price } } }"
    compiled, _, through, asked = await both(query, {"all": [BOOK, FILM, BOOK]})
    assert through
    assert compiled["data"]["all"] == [{"price": 1}, {"price": 101}, {"price": 1}]
    lists = [value for value in (asked[1].variables or {}).values() if isinstance(value, list)]
    names = [(one["__typename"], one["id"]) for each in lists for one in each]
    assert sorted(names) == [("Book", "1"), ("Film", "1")]


@pytest.mark.parametrize(
    ("query", "a", "b"),
    [
        ("{ must { name } }", {"must": None}, None),
        ("{ all { ... on Book { name } } }", {"all": [None]}, None),
        ("{ all { ... on Book { name } } }", {"all": [{**BOOK, "__typename": "Song"}]}, None),
        ("{ all { ... on Book { name } } }", {"all": [{**BOOK, "__typename": "Nobody"}]}, None),
        ("{ all { ... on Book { name } } }", {"all": [{**BOOK, "__typename": None}]}, None),
        ("{ all { ... on Book { name } } }", {"all": [{"name": "x"}]}, None),
        ("{ all { ... on Book { name } } }", {"all": [5]}, None),
        ("{ all { ... on Book { name } } }", {"all": 5}, None),
        ("{ all { ... on Book { name } } }", {"all": [{**BOOK, "name": 5}]}, None),
        ("{ node { ... on Book { price } } }", {"node": BOOK}, {"data": {"_entities": [None]}}),
        ("{ node { ... on Book { price } } }", {"node": BOOK}, {"data": {"_entities": [{"price": "1"}]}}),
        ("{ node { ... on Book { tags } } }", {"node": BOOK}, {"data": {"_entities": [{"tags": [1]}]}}),
    ],
)
async def test_what_does_not_fit(query: str, a: Any, b: Any) -> None:
    """A forbidden null, an impossible type and a wrong value give the response of the exact path."""
    compiled, exact, through, _ = await both(query, a, b)
    assert not through
    assert compiled == exact
