"""Tests of the comparison of copies with originals."""

from typing import Any

import pytest

from subgraphs.sync.comparison import Drift, different_keys, differing_buckets, drift, same


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("85.50", 85.5, True),
        ("2026-11-22T12:00:00Z", "2026-11-22T12:00:00+00:00", True),
        (["a", "b"], ["b", "a"], True),
        ({"a": 1, "only": 2}, {"a": "1.0", "here": 3}, True),
        (None, None, True),
        ("85.50", 85.51, False),
        (["a"], ["a", "a"], False),
        ("2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z", False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
        (None, "", False),
        (True, 1, True),
        (True, "true", False),
        ("sNaN", "12", False),
        ("sNaN", "sNaN", True),
    ],
)
def test_same(one: Any, other: Any, expected: bool) -> None:
    """The notation of values does not matter, their content does."""
    assert same(one, other) is expected
    assert same(other, one) is expected


def test_versions() -> None:
    """A copy is missing, older or extra; a newer copy than the original is no drift."""
    found = drift({"a": 3, "b": 3, "c": 3}, {"b": 2, "c": 4, "d": 1})
    assert found == Drift(missing=frozenset("a"), older=frozenset("b"), extra=frozenset("d"))
    assert found.repairable == frozenset("ab")
    assert found & drift({"a": 3}, {}) == Drift(missing=frozenset("a"))


def test_content() -> None:
    """Only copies with equal versions are compared by content."""
    originals = {key: {"version": 1, "told": {"name": "x"}} for key in "abc"}
    copies = {
        "a": {"version": 1, "told": {"name": "y"}},
        "b": {"version": 2, "told": {"name": "y"}},
        "c": {"version": 1, "told": {"name": "x"}},
        "d": {"version": 1, "told": {}},
    }
    assert different_keys(originals, copies) == frozenset("a")


def test_buckets() -> None:
    """Buckets differ if one side has no rows, other numbers of rows, or another hash."""
    assert differing_buckets(
        {"1": [2, "x"], "2": [1, "y"], "10": [1, "z"]}, {"1": [2, "x"], "2": [1, "n"], "3": [1, "y"]}
    ) == [
        2,
        3,
        10,
    ]
