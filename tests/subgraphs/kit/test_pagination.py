"""Tests of pages and cursors."""

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import Column, DateTime, MetaData, Numeric, Table, Uuid, select

from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.pagination import Order, Page

THINGS = Table(
    "things",
    MetaData(),
    Column("id", Uuid),
    Column("at", DateTime(timezone=True)),
    Column("price", Numeric(10, 2)),
)
SOME = UUID("68cc34c9-0ee1-4c80-9f29-a65667c72b73")  # a fixed one: test processes must name their cases alike
NEWEST = Order("things:newest", THINGS.c.at, datetime, THINGS.c.id, descending=True)
CHEAPEST = Order("things:cheapest", THINGS.c.price, Decimal, THINGS.c.id)


def encoded(*parts: Any) -> str:
    """Return a cursor with these parts."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode()


def test_a_cursor_comes_back_as_it_was() -> None:
    """An order reads the value and type that it has encoded."""
    moment, key = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC), uuid4()
    assert NEWEST.read(NEWEST.cursor(moment, key)) == (moment, key)
    assert CHEAPEST.read(CHEAPEST.cursor(Decimal("45.10"), key)) == (Decimal("45.10"), key)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "ü",
        "%%%",
        "=" * 100,
        "A" * 100_000,
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        encoded("things:newest"),
        encoded("things:newest", "2026-01-01T00:00:00Z", "1 or 1=1"),
        encoded("things:newest", "'; drop table things; --", str(SOME)),
        encoded("things:newest", {"a": 1}, str(SOME)),
        encoded("things:newest", None, str(SOME)),
        encoded("things:cheapest", "45.10", str(SOME)),
        encoded("things:newest", "2026-01-01T00:00:00Z", str(SOME), "more"),
        CHEAPEST.cursor(Decimal("45.10"), SOME),
    ],
)
def test_other_cursors_are_refused(cursor: str) -> None:
    """A cursor that this order has not made raises an error that names the argument."""
    with pytest.raises(BadUserInput, match="'after' must be") as caught:
        Page.of(NEWEST, 10, cursor)
    assert caught.value.extensions == {"field": "after"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Decimal, "NaN"),
        (Decimal, "Infinity"),
        (Decimal, "1e999999"),
        (Decimal, "1e8"),
        (Decimal, "1e-999999"),
        (Decimal, "0e-20000"),
        (int, 2**40),
        (str, "a\0b"),
        (datetime, "2026-01-01T00:00:00"),
        (datetime, "0001-01-01T00:00:00+14:00"),
    ],
)
def test_values_that_no_column_holds_are_refused(kind: type, value: Any) -> None:
    """A forged cursor with a value that the column cannot have raises BAD_USER_INPUT, not an error of the
    database.
    """
    order = Order("things:other", THINGS.c.price, kind, THINGS.c.id)
    with pytest.raises(BadUserInput):
        Page.of(order, 10, encoded("things:other", value, str(uuid4())))


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
def test_first_has_bounds(first: int) -> None:
    """`first` must be from 1 to 100."""
    with pytest.raises(BadUserInput, match="from 1 to 100"):
        Page.of(NEWEST, first)


def test_the_statement_starts_behind_the_cursor() -> None:
    """The statement compares rows, which an index can serve, and selects one row more than the page has."""
    page = Page.of(NEWEST, 10, NEWEST.cursor(datetime.now(UTC), uuid4()))
    statement = str(page.select(select(THINGS)))
    assert "(things.at, things.id) < (:param_1, :param_2)" in statement
    assert "ORDER BY things.at DESC, things.id DESC" in statement
    assert "OFFSET" not in statement
    assert page.select(select(THINGS)).compile().params["param_3"] == 11
