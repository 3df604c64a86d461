"""Batched and converted references: calls, order, errors, and nothing shared between requests."""

import asyncio
from inspect import isawaitable
from typing import Any
from uuid import UUID

import pytest
import strawberry
from strawberry import ID
from strawberry.extensions import SchemaExtension

from gateway.core.clock import run_ready_callbacks
from gateway.strawberry_subgraphs import batched_reference
from gateway.strawberry_subgraphs.batches import collect, frozen
from tests.gateway.strawberry_subgraphs.library import (
    CONFIG,
    SCHEMA,
    STRAWBERRY,
    ById,
    ByPublisher,
    Calls,
    Publisher,
    Query,
    Quiet,
)

ENTITIES = """query ($r: [_Any!]!) { _entities(representations: $r) {
    ... on Book { id title } ... on Issue { label } ... on Shelf { code label } ... on Loan { label } } }"""
TWICE = """query ($r: [_Any!]!, $s: [_Any!]!) {
    a: _entities(representations: $r) { ... on Book { title } }
    b: _entities(representations: $s) { ... on Book { title } } }"""
UID = "6e2a1f9c-3b58-4c7a-9d5e-0123456789ab"


def book(key: object) -> dict[str, Any]:
    """Return the representation of a book."""
    return {"__typename": "Book", "id": key}


async def entities(*representations: Any, schema: Any = SCHEMA) -> tuple[list[Any], list[Any], Calls]:
    """Return the entities, the errors as pairs of the place and the message, and the calls."""
    calls = Calls()
    found = await schema.execute(ENTITIES, {"r": list(representations)}, context_value=calls)
    errors = [(error.path[1] if error.path else None, error.message) for error in found.errors or []]
    return (found.data or {}).get("_entities", []), errors, calls


@pytest.mark.parametrize("schema", [SCHEMA, STRAWBERRY], ids=["ours", "strawberry's"])
async def test_one_call_of_many_references(schema: Any) -> None:
    """The order is kept, a duplicate is asked once, what is unknown is null; ids may be numbers."""
    keys = ["3", "1", "unknown", 3, "2", "1"]
    found, errors, calls = await entities(*map(book, keys), schema=schema)
    assert calls.of("Book") == [["3", "1", "unknown", "2"]] and errors == []
    titles = [one and one["title"] for one in found]
    assert titles == ["book 3", "book 1", None, "book 3", "book 2", "book 1"]


async def test_one_call_of_several_aliases() -> None:
    """Aliases of `_entities` share the call, also if they have one variable."""
    calls = Calls()
    variables = {"r": [book("1"), book("2")], "s": [book("2"), book("3")]}
    found = await SCHEMA.execute(TWICE, variables, context_value=calls)
    assert found.data == {
        "a": [{"title": "book 1"}, {"title": "book 2"}],
        "b": [{"title": "book 2"}, {"title": "book 3"}],
    }
    assert calls.of("Book") == [["1", "2", "3"]]
    same = TWICE.replace("$s", "$r").replace(", $r: [_Any!]!", "")
    found = await SCHEMA.execute(same, {"r": [book("1")]}, context_value=calls)
    assert found.errors is None and calls.of("Book")[1:] == [["1"]]


async def test_a_call_for_each_type_and_shape() -> None:
    """Two keys of one entity are two calls, each with the class of its key; other types have their own."""
    by_publisher = {"__typename": "Issue", "publisher": {"id": 7}, "madeOn": "2026-05-01"}
    by_id = {"__typename": "Issue", "id": UID}
    found, errors, calls = await entities(by_id, by_publisher, book("1"), by_id, by_publisher)
    assert errors == [] and len(found) == 5
    first, second = calls.of("Issue")
    assert first == [ById(UUID(UID))] and len(calls.of("Book")) == 1
    (key,) = second
    assert isinstance(key, ByPublisher) and (key.publisher.id, key.made_on.year) == ("7", 2026)
    assert isinstance(key.publisher, Publisher) and key.publisher.name is strawberry.UNSET


async def test_keys_as_dictionaries_and_a_function_without_info() -> None:
    """The values have the types of the entity's fields."""
    found, errors, _ = await entities({"__typename": "Shelf", "code": 5, "color": "BLUE"})
    assert errors == [] and found[0]["code"] == 5
    assert found[0]["label"].startswith("<Color.PALE_BLUE")


async def test_converted_references_one_by_one() -> None:
    """A parameter without an annotation has the type of the field; others their own."""
    given = {"__typename": "Loan", "id": 5, "due": "2026-05-01T10:00:00Z", "fromAnotherSubgraph": 1}
    wrong = {"__typename": "Loan", "id": "x"}
    missing = {"__typename": "Loan"}
    found, errors, calls = await entities(given, wrong, missing)
    assert [one and one["label"] for one in found] == ["5", None, None]
    ((number, due),) = calls.of("Loan")[0]
    assert number == 5 and due.hour == 10
    assert errors == [
        (1, 'the representation of Loan is wrong at `id`: expected Int, found "x"'),
        (2, "the representation of Loan is wrong at `id`: expected Int, found nothing"),
    ]


@pytest.mark.parametrize("schema", [SCHEMA, STRAWBERRY], ids=["ours", "strawberry's"])
async def test_an_exception_at_a_place(schema: Any) -> None:
    """It is an error of the entity alone, and of its duplicates."""
    found, errors, _ = await entities(book("1"), book("bad"), book("2"), book("bad"), schema=schema)
    assert [one and one["title"] for one in found] == ["book 1", None, "book 2", None]
    assert sorted(errors) == [(1, "a bad book"), (3, "a bad book")]


async def test_an_exception_of_the_batch() -> None:
    """It is an error of each entity of the batch, with its code, and of no other one."""
    calls = Calls()
    representations = [book("1"), {"__typename": "Loan", "id": 1}, book("all")]
    found = await SCHEMA.execute(ENTITIES, {"r": representations}, context_value=calls)
    assert found.data is not None
    assert [bool(one) for one in found.data["_entities"]] == [False, True, False]
    places = {error.path[1]: (error.message, error.extensions) for error in found.errors or [] if error.path}
    assert places == {0: ("no books", {"code": "DOWN"}), 2: ("no books", {"code": "DOWN"})}


async def test_a_list_of_another_length() -> None:
    """The message says what the function has to return."""
    _, errors, _ = await entities(book("1"), book("short"))
    expected = (
        "Book.resolve_reference must return a list with an element for each key: expected 2 elements, got 0"
    )
    assert sorted(errors) == [(0, f"{expected} elements"), (1, f"{expected} elements")]


async def test_wrong_keys_are_errors_of_their_entities() -> None:
    """The others are resolved."""
    found, errors, calls = await entities(book("1"), book(True), {"__typename": "Book"}, book(None))
    assert [bool(one) for one in found] == [True, False, False, False] and calls.of("Book") == [["1"]]
    start = "the representation of Book is wrong at `id`: expected ID, found"
    assert sorted(errors) == [(1, f"{start} true"), (2, f"{start} nothing"), (3, f"{start} null")]


@pytest.mark.parametrize("wrong", [{"__typename": "Nothing"}, {"id": 1}, {"__typename": 5}, "text", 5, None])
async def test_what_is_no_representation(wrong: Any) -> None:
    """The package's schema makes an error of the entity alone; strawberry's fails as a whole."""
    found, errors, _ = await entities(book("1"), wrong)
    if wrong is None:  # [_Any!]!
        assert found == []
    else:
        assert found[1] is None and found[0]["title"] == "book 1" and [place for place, _ in errors] == [1]


async def test_a_scalar_key_of_an_entity_with_two_fields() -> None:
    """The message says what to annotate."""

    @strawberry.federation.type(keys=["a b"])
    class Pair:
        a: int
        b: int

        @classmethod
        @batched_reference
        async def resolve_reference(cls, keys: list[int]) -> list[Any]:
            return [None for _ in keys]

    @strawberry.type
    class Root:
        pair: Pair | None = None

    schema = Quiet(query=Root)
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Pair { a } } }"
    found = await schema.execute(query, {"r": [{"__typename": "Pair", "a": 1, "b": 2}]})
    assert found.errors is not None and "annotate a dataclass, a TypedDict or dict" in found.errors[0].message


def test_a_function_with_other_parameters() -> None:
    """It is refused when it is decorated, in whichever order the decorators are."""
    with pytest.raises(TypeError, match="one parameter for the keys besides info: got id, name"):
        batched_reference(lambda cls, info, id, name: [])

    class Reversed:
        @batched_reference
        @classmethod
        def resolve_reference(cls, keys: list[ID]) -> list[Any]:
            return []

    assert isinstance(vars(Reversed)["resolve_reference"], classmethod)


class Waits(SchemaExtension):
    """Resolves every field in a task, which other tasks interrupt."""

    async def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        """Resolve a field later."""
        await asyncio.sleep(0)
        found = _next(root, info, *args, **kwargs)
        return await found if isawaitable(found) else found


async def test_aliases_that_are_resolved_in_tasks() -> None:
    """They share the call, too."""
    calls = Calls()
    schema = Quiet(query=Query, config=CONFIG, extensions=[Waits])
    variables = {"r": [book("1")], "s": [book("2")]}
    found = await schema.execute(TWICE, variables, context_value=calls)
    assert found.errors is None and calls.of("Book") == [["1", "2"]]


async def test_requests_share_nothing() -> None:
    """Concurrent requests with equal documents, variables and contexts have batches of their own."""
    calls, variables = Calls(), {"r": [book("1"), book("1")]}
    runs = [SCHEMA.execute(ENTITIES, variables, context_value=calls) for _ in range(5)]
    for found in await asyncio.gather(*runs):
        assert found.errors is None
    assert calls.of("Book") == [["1"]] * 5


async def test_nothing_is_remembered() -> None:
    """A later request asks again."""
    calls = Calls()
    for _ in range(2):
        await SCHEMA.execute(ENTITIES, {"r": [book("1")]}, context_value=calls)
    assert calls.of("Book") == [["1"], ["1"]]


async def test_a_cancelled_request() -> None:
    """Its call is cancelled; that of another request goes on."""
    started: list[str] = []
    ended: list[str] = []
    go = asyncio.Event()

    def asking(name: str) -> Any:
        async def ask(keys: list[Any]) -> list[Any]:
            started.append(name)
            try:
                await go.wait()
            finally:
                ended.append(name)
            return keys

        return ask

    one, other = object(), object()
    left = [collect(one, "g", key, asking("one"), "f") for key in (1, 1, 2)]
    stays = collect(other, "g", 1, asking("other"), "f")
    await run_ready_callbacks()
    assert started == ["one", "other"]
    for future in left[:2]:
        future.cancel()
    await run_ready_callbacks()
    assert ended == []  # the third one still waits
    left[2].cancel()
    await run_ready_callbacks()
    assert ended == ["one"]
    go.set()
    assert await stays == 1


async def test_a_request_that_is_cancelled_before_its_call() -> None:
    """The function is not called."""
    asked: list[Any] = []
    future = collect(object(), "g", 1, asked.append, "f")
    future.cancel()
    await run_ready_callbacks()
    assert asked == []


def test_without_an_event_loop() -> None:
    """A synchronous execution gets an error for each entity."""
    found = SCHEMA.execute_sync(ENTITIES, {"r": [book("1")]}, context_value=Calls())
    assert found.errors is not None and "no running event loop" in found.errors[0].message


def test_what_equal_keys_are() -> None:
    """Values of different types differ; what can't be compared is no duplicate."""
    assert len({frozen(one) for one in (1, True, "1", 1.0, None, (1,), [1], {"a": 1}, {"a": [1]})}) == 9
    assert frozen({"a": 1, "b": [2]}) == frozen({"b": [2], "a": 1})
    assert frozen(ById(UUID(UID))) == frozen(ById(UUID(UID)))
    assert frozen({1}) != frozen({1, 2}) and frozen(bytearray(b"x")) != frozen(bytearray(b"x"))
