"""Conversions of JSON values to Python types, and what a wrong value's message says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, NewType
from uuid import UUID

import pytest
import strawberry
from strawberry import ID
from strawberry.relay import GlobalID

from gateway.strawberry_subgraphs.conversion import Converter, Mismatch
from gateway.strawberry_subgraphs.records import entity_fields
from tests.gateway.strawberry_subgraphs.library import (
    SCHEMA,
    ById,
    ByPublisher,
    Color,
    Everything,
    Point,
    Publisher,
    Range,
    Size,
    Words,
)

CONVERTER = Converter(SCHEMA)
UID = "6e2a1f9c-3b58-4c7a-9d5e-0123456789ab"
Plain = Enum("Plain", "A B")
Number = NewType("Number", int)


@dataclass
class Even:
    """A class that checks its value."""

    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("odd")


RIGHT: list[tuple[Any, Any, Any]] = [
    (ID, "1", "1"),
    (ID, 12345678901234567890, "12345678901234567890"),
    (int, 5, 5),
    (Number, 5, 5),
    (float, 5, 5.0),
    (bool, True, True),
    (UUID, UID, UUID(UID)),
    (date, "2026-05-01", date(2026, 5, 1)),
    (datetime, "2026-05-01T10:00:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
    (time, "10:30:00", time(10, 30)),
    (Decimal, "1.50", Decimal("1.50")),
    (Decimal, 2, Decimal(2)),
    (Color, "RED", Color.RED),
    (Color, "BLUE", Color.PALE_BLUE),
    (Plain, "A", Plain["A"]),
    (Words, "a b", ["a", "b"]),
    (strawberry.scalars.JSON, {"a": [1]}, {"a": [1]}),
    (GlobalID, "Qm9vazox", GlobalID("Book", "1")),
    (ID | None, None, None),
    (UUID | None, UID, UUID(UID)),
    (int | str, "x", "x"),
    (list[ID], [1, "2"], ["1", "2"]),
    (Sequence[UUID | None], [UID, None], [UUID(UID), None]),
    (tuple[int, ...], [1, 2], (1, 2)),
    (frozenset[int], [1, 1], frozenset({1})),
    (list[list[date]], [["2026-05-01"], []], [[date(2026, 5, 1)], []]),
    (list, [1, "a"], [1, "a"]),
    (Any, {"a": 1}, {"a": 1}),
    (dict[str, UUID], {"a": UID}, {"a": UUID(UID)}),
    (dict, {"a": 1}, {"a": 1}),
    (Publisher, {"id": 1, "name": "P"}, Publisher(id=ID("1"), name="P")),
    (Size, {"pageHeight": "2.5"}, {"page_height": Decimal("2.5")}),
    (Size, {"width": 1, "other": 2}, {"width": 1}),
    (Point, {"x": 1}, Point(1)),
    (Range, {"low": 1}, Range(low=1, high=None)),
    (ById | ByPublisher, {"id": UID}, ById(UUID(UID))),
    (Even, {"number": 2}, Even(2)),
]


@pytest.mark.parametrize(("kind", "value", "expected"), RIGHT)
def test_a_value_of_the_type(kind: Any, value: Any, expected: Any) -> None:
    """The result is equal, and of the same type."""
    found = CONVERTER.convert(value, kind)
    assert found == expected and type(found) is type(expected)


WRONG: list[tuple[Any, Any, str, str]] = [
    (ID, True, "", "expected ID, found true"),
    (ID, {"a": 1}, "", 'expected ID, found {"a": 1}'),
    (int, "5", "", 'expected Int, found "5"'),
    (int, 2**40, "", "expected Int, found 1099511627776"),
    (UUID, "no", "", 'expected UUID, found "no"'),
    (UUID, 5, "", "expected UUID, found 5"),
    (date, "2026-13-01", "", 'expected Date, found "2026-13-01"'),
    (datetime, "yesterday", "", 'expected DateTime, found "yesterday"'),
    (time, "25:00", "", 'expected Time, found "25:00"'),
    (Decimal, "1,5", "", 'expected Decimal, found "1,5"'),
    (Color, "PALE_BLUE", "", 'expected Color (RED, BLUE), found "PALE_BLUE"'),
    (Color, ["RED"], "", 'expected Color (RED, BLUE), found ["RED"]'),
    (Words, 5, "", "expected Words, found 5"),
    (GlobalID, "no", "", 'expected ID, found "no"'),
    (ID, None, "", "expected ID, found null"),
    (UUID | None, "no", "", 'expected UUID, found "no"'),
    (int | UUID, "no", "", 'expected Int or UUID, found "no"'),
    (list[ID], "1", "", 'expected a list of ID, found "1"'),
    (list[ID], ["1", None], "1", "expected ID, found null"),
    (list[ID | None], 5, "", "expected a list of ID or null, found 5"),
    (Publisher, "p", "", 'expected Publisher, found "p"'),
    (ByPublisher, {"publisher": {"id": []}, "madeOn": "2026-05-01"}, "publisher.id", "expected ID, found []"),
    (ByPublisher, {"publisher": {"id": 1}}, "madeOn", "expected Date, found nothing"),
    (list[Point], [{"x": 1}, {"x": 1, "y": "z"}], "1.y", 'expected Float, found "z"'),
    (Range, {"high": 1}, "low", "expected Int, found nothing"),
    (dict[str, int], {"a": "b"}, "a", 'expected Int, found "b"'),
    (dict, [1], "", "expected an object, found [1]"),
    (Even, {"number": 1}, "", 'expected Even, found {"number": 1}'),
    (UUID, "x" * 5_000, "", f'expected UUID, found "{"x" * 79}...'),
]


@pytest.mark.parametrize(("kind", "value", "where", "message"), WRONG)
def test_a_value_of_another_type(kind: Any, value: Any, where: str, message: str) -> None:
    """The message has what was expected and found, and the place is a path."""
    with pytest.raises(Mismatch) as raised:
        CONVERTER.convert(value, kind)
    assert (raised.value.where, str(raised.value)) == (where, message)


def test_the_fields_of_a_strawberry_type() -> None:
    """Every kind of field has its name in GraphQL and is converted by its annotation."""
    fields = entity_fields(Everything, CONVERTER.names)
    value = {
        "id": 1, "uid": UID, "day": "2026-05-01", "at": "2026-05-01T10:00:00", "moment": "10:00",
        "price": "1.5", "color": "BLUE", "words": "a b", "optionalId": None, "ids": [1],
        "maybeIds": [None, 2], "publisher": {"id": 3, "name": "P"},
    }  # fmt: skip
    found = {name: CONVERTER.convert(value[name], field.kind) for name, field in fields.items()}
    assert set(found) == set(value)
    assert (found["id"], found["uid"], found["words"]) == ("1", UUID(UID), ["a", "b"])
    assert (found["color"], found["ids"], found["maybeIds"]) == (Color.PALE_BLUE, ["1"], [None, "2"])
    assert found["publisher"] == Publisher(id=ID("3"), name="P") and found["price"] == Decimal("1.5")
    whole = CONVERTER.convert(value, Everything)
    assert whole.optional_id is None and whole.maybe_ids == [None, "2"]


def test_a_type_without_conversion() -> None:
    """It is a mistake of the subgraph, not of the representation."""
    with pytest.raises(TypeError, match="can be converted to <class 'complex'>"):
        CONVERTER.convert("1", complex)


def test_a_part_that_a_resolver_computes() -> None:
    """An object can't be made of it; the message says what to annotate."""

    @strawberry.type
    class Computed:
        @strawberry.field
        def id(self) -> ID:
            return ID("1")

    with pytest.raises(TypeError, match="annotate a dataclass"):
        CONVERTER.convert({"id": "1"}, Computed)
