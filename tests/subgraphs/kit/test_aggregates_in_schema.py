"""Tests of how admins see objects of all services."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import column
from sqlalchemy.types import Text

import subgraphs
from subgraphs.kit.aggregates_in_schema import AggregateType, aggregate_id_of, event_fields
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.global_ids import encode


def test_every_type_of_the_services_is_known() -> None:
    """The enum has the aggregate type of each event class, and no other one."""
    sources = Path(next(iter(subgraphs.__path__))).glob("*/messages.py")
    found = {
        name
        for source in sources
        for name in re.findall(r'aggregate_type: ClassVar\[str\] = "(\w+)"', source.read_text())
    }
    assert {kind.value for kind in AggregateType} == {*found, "other"}


def test_unknown_types_are_other() -> None:
    """A type that the enum lacks is OTHER, which selects all such rows."""
    assert AggregateType.of("escrow") is AggregateType.ESCROW
    assert AggregateType.of("ticket") is AggregateType.OTHER
    at = column("kind", Text)
    assert str(AggregateType.USER.condition(at)) == "kind = :kind_1"
    assert "NOT IN" in str(AggregateType.OTHER.condition(at))


def test_ids_of_all_types() -> None:
    """A global id of any type and a plain UUID have the same key; another text is refused."""
    key = uuid4()
    assert aggregate_id_of(encode("Booking", key), "id") == aggregate_id_of(str(key), "id") == key
    assert aggregate_id_of(None, "id") is None
    with pytest.raises(BadUserInput):
        aggregate_id_of("x", "id")


def test_names_are_in_camel_case() -> None:
    """Our names change, also in lists; documents of users stay the same."""
    given = {"skill_ids": ["a_b"], "matches": [{"total_score": 1}], "schedule": {"my_day": 2}}
    expected = {"skillIds": ["a_b"], "matches": [{"totalScore": 1}], "schedule": {"my_day": 2}}
    assert event_fields(given) == expected
