"""Tests of the input type `BetweenInput`."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import DateTime, column

from subgraphs.kit.between import EVER, Between, BetweenInput, between_of
from subgraphs.kit.errors import BadUserInput

NOON = datetime(2027, 6, 5, 12, tzinfo=UTC)
AT = column("at", DateTime(timezone=True))


def test_a_span_has_its_start_and_not_its_end() -> None:
    """A span becomes two conditions, or one if a side is open; without the argument there is none."""
    both = BetweenInput(start=NOON, end=NOON + timedelta(hours=1)).read()
    assert [str(one) for one in both.conditions(AT)] == ["at >= :at_1", "at < :at_1"]
    assert [str(one) for one in BetweenInput(end=NOON).read().conditions(AT)] == ["at < :at_1"]
    assert between_of(None) is EVER
    assert list(EVER.conditions(AT)) == []
    assert hash(both) == hash(Between(NOON, NOON + timedelta(hours=1)))


def test_times_are_in_utc() -> None:
    """A time without an offset is in UTC, one with an offset is converted."""
    east = datetime(2027, 6, 5, 14, tzinfo=timezone(timedelta(hours=2)))
    assert BetweenInput(start=NOON.replace(tzinfo=None), end=east).read() == Between(NOON, NOON)


def test_the_end_before_the_start_is_refused() -> None:
    """The error names the start."""
    with pytest.raises(BadUserInput) as caught:
        BetweenInput(start=NOON, end=NOON - timedelta(seconds=1)).read("filter.between")
    assert caught.value.extensions == {"field": "filter.between.from"}


def test_a_field_may_need_both() -> None:
    """Each missing side is an error of its own."""
    assert BetweenInput(start=NOON, end=NOON).read_both() == (NOON, NOON)
    with pytest.raises(BadUserInput) as caught:
        BetweenInput().read_both()
    assert [one.extensions["field"] for one in caught.value.parts] == ["between.from", "between.to"]
