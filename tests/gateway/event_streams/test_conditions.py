"""Tests of conditions, selections and cursors, without Redis."""

from contextlib import suppress
from typing import Any

import pytest
from graphql import build_schema
from hypothesis import given
from hypothesis import strategies as some

from gateway.event_streams.conditions import Condition, distance, is_met
from gateway.event_streams.cursors import InvalidCursor, read_cursor, read_id, write_cursor, write_id
from gateway.event_streams.entries import read_entry
from gateway.event_streams.repetitions import Repetitions
from gateway.event_streams.selection import filled, read_request
from gateway.settings import EventCondition

EVENT = {
    "type": "Moved",
    "payload": {
        "id": "7",
        "owner": "u1",
        "guest": "u2",
        "tags": ["a", "b"],
        "latitude": 47.0,
        "longitude": 8.0,
    },
    "count": 3,
}
SCHEMA = build_schema("""
    type Query { x: Int } scalar Any input Near { latitude: Float! longitude: Float! radiusKm: Float! = 5 }
    type Subscription { thing(id: ID, near: Near, n: Int = 2): Thing any: [Pet!] }
    interface Pet { id: ID! } type Cat implements Pet { id: ID! lives: Int }
    type Dog implements Pet { id: ID! }
    type Thing { id: ID! part: Part list: [Part!] } type Part { id: ID! name: String }""")


def met(condition: EventCondition, arguments: Any = None, claims: Any = None, convert: Any = None) -> bool:
    """Return whether the event meets a condition."""
    test = Condition(condition, convert).test(arguments or {}, claims or {})
    return test is None or is_met([test], EVENT)


@pytest.mark.parametrize(
    ("condition", "arguments", "claims", "expected"),
    [
        (EventCondition(("type",), values=("Moved", "Made")), {}, {}, True),
        (EventCondition(("type",), values=("Made",)), {}, {}, False),
        (EventCondition(("payload.id",), argument="id"), {"id": "7"}, {}, True),
        (EventCondition(("payload.id",), argument="id"), {"id": 7}, {}, True),
        (EventCondition(("payload.id",), argument="id"), {"id": "8"}, {}, False),
        (EventCondition(("payload.id",), argument="id"), {"id": None}, {}, True),
        (EventCondition(("payload.id",), argument="id"), {}, {}, True),
        (EventCondition(("count",), argument="n"), {"n": "3"}, {}, True),
        (EventCondition(("payload.owner", "payload.guest"), claim="sub"), {}, {"sub": "u2"}, True),
        (EventCondition(("payload.owner", "payload.guest"), claim="sub"), {}, {"sub": "u3"}, False),
        (EventCondition(("payload.owner",), claim="sub"), {}, {}, False),
        (EventCondition(("payload.missing",), claim="sub"), {}, {"sub": None}, False),
        (EventCondition(("payload.tags",), argument="t", match="overlaps"), {"t": ["b", "c"]}, {}, True),
        (EventCondition(("payload.tags",), argument="t", match="overlaps"), {"t": ["c"]}, {}, False),
        (EventCondition(("payload.tags",), argument="t", match="overlaps"), {"t": []}, {}, False),
        (EventCondition(("payload.missing",), argument="t", match="overlaps"), {"t": ["c"]}, {}, False),
    ],
)
def test_a_condition(condition: EventCondition, arguments: Any, claims: Any, expected: bool) -> None:
    """A condition compares values of the event with arguments, claims or constants."""
    assert met(condition, arguments, claims) is expected


@pytest.mark.parametrize(("radius", "expected"), [(120, True), (100, False), ("far", False), (None, False)])
def test_near(radius: Any, expected: bool) -> None:
    """Zurich's meridian: one degree of latitude is 111 kilometres."""
    place = {"latitude": 48.0, "longitude": 8.0, "radiusKm": radius}
    assert met(EventCondition(("payload",), argument="near", match="near"), {"near": place}) is expected
    assert round(distance((47, 8), (48, 8)), 1) == 111.2


def test_arguments_are_converted() -> None:
    """A function converts the argument; one that it refuses is never met."""
    convert = {"opaque-7": "7"}.get
    own = EventCondition(("payload.id",), argument="id")
    assert met(own, {"id": "opaque-7"}, convert=convert)
    assert not met(own, {"id": "opaque-8"}, convert=convert)
    assert not met(own, {"id": "x"}, convert=int)


def test_an_argument_with_its_default() -> None:
    """Defaults of arguments and of input fields count."""
    text = "subscription($id: ID) { thing(id: $id, near: {latitude: 1, longitude: 2}) { id } }"
    near = {"latitude": 1, "longitude": 2, "radiusKm": 5}
    assert read_request(text, SCHEMA).values({"id": "7"}) == {"id": "7", "near": near, "n": 2}
    assert read_request(text, SCHEMA).values({}) == {"near": near, "n": 2}


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{ thing { id } }", {"id": 1, "more": 2}, {"thing": {"id": 1}}),
        ("{ t: thing { key: id __typename } }", {"id": 1}, {"t": {"key": 1, "__typename": "Thing"}}),
        (
            "{ thing { part { id } part { name } } }",
            {"part": {"id": 1}},
            {"thing": {"part": {"id": 1, "name": None}}},
        ),
        (
            "{ thing { list { id } } }",
            {"list": [{"id": 1}, {"id": 2}]},
            {"thing": {"list": [{"id": 1}, {"id": 2}]}},
        ),
        ("{ thing { ...F } } fragment F on Thing { id }", {"id": 1}, {"thing": {"id": 1}}),
        ("{ thing { id } }", None, {"thing": None}),
        (
            "{ any { __typename id ... on Cat { lives } } }",
            [{"__typename": "Cat", "id": 1, "lives": 9}, {"__typename": "Dog", "id": 2, "lives": 9}],
            {"any": [{"__typename": "Cat", "id": 1, "lives": 9}, {"__typename": "Dog", "id": 2}]},
        ),
    ],
)
def test_a_reply_has_what_is_selected(text: str, value: Any, expected: Any) -> None:
    """Aliases, fragments, lists and types of a plan's request are in the reply."""
    assert read_request("subscription " + text, SCHEMA).reply(value) == {"data": expected}


def test_a_value_with_places() -> None:
    """A place alone keeps its type; in a longer text it becomes text."""
    template = {
        "id": "{payload.id}",
        "n": "{count}",
        "text": "no {count} of {payload.id}",
        "none": "{x.y}",
        "t": 1,
    }
    assert filled(template, EVENT) == {"id": "7", "n": 3, "text": "no 3 of 7", "none": None, "t": 1}


@given(some.lists(some.tuples(*[some.integers(0, (1 << 64) - 1)] * 2), min_size=1, max_size=9))
def test_cursors(positions: list[tuple[int, int]]) -> None:
    """Positions survive; ids are written as Redis writes them."""
    assert read_cursor(write_cursor(positions), len(positions)) == positions
    assert [read_id(write_id(one)) for one in positions] == positions


@given(some.text(max_size=60))
def test_other_texts_are_no_cursors(text: str) -> None:
    """A text from outside is a cursor, or refused."""
    with suppress(InvalidCursor):
        assert len(read_cursor(text, 2)) == 2


def test_an_entry_that_can_not_be_read() -> None:
    """Broken JSON, broken UTF-8, and a name without a value are no events."""
    assert read_entry([b"payload", b"{"], ("payload",)) is None
    assert read_entry([b"a", b"\xff"], ()) is None
    assert read_entry([b"a"], ()) is None
    assert read_entry([b"a", b"1", b"payload", b"[1]"], ("payload",)) == {"a": "1", "payload": [1]}


def test_repetitions_are_forgotten_after_some_time() -> None:
    """An id is known for the window; an event without an id is always new."""
    seen = Repetitions(1_000)
    assert [seen.is_new("a", 0), seen.is_new("a", 900), seen.is_new(None, 0), seen.is_new(None, 0)] == [
        True, False, True, True,
    ]  # fmt: skip
    assert seen.is_new("b", 2_000) and seen.is_new("a", 2_100)
