"""Constants are equal when they are the same value, however they are written."""

import pytest
from graphql import parse_const_value

from gateway.federation.values import same_value

SAME = [
    ("1", "1.0"),
    ("1.50", "15e-1"),
    ("-0", "0.0"),
    ("0.1", "0.10000000000000001"),
    ("{a: 1, b: [2, {c: 3}]}", "{b: [2.0, {c: 3}], a: 1}"),
    ('"a b"', '"""a b"""'),
    ('"""\n  a\n  b\n"""', '"a\\nb"'),
    ("RED", '"RED"'),
    ("[[1], []]", "[ [ 1 ] , [] ]"),
    ("null", "null"),
    ("9" * 6_000, "9" * 6_000 + ".0"),
    ("1e99999999999999999999", "1e99999999999999999999"),
]
DIFFERENT = [
    ("1", '"1"'),
    ("1", "true"),
    ("0", "false"),
    ("1", "[1]"),
    ("[1, 2]", "[2, 1]"),
    ("{a: 1}", "{a: 1, b: null}"),
    ("null", '"null"'),
    ("9007199254740993", "9007199254740992"),
    ("0.1", "0.1000000000000001"),
    ("9" * 6_000, "9" * 6_001),
    ("{a: []}", "{a: {}}"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_values(one: str, other: str) -> None:
    """Equal values have equal keys, as text and as AST, in both orders."""
    assert same_value(one, other)
    assert same_value(parse_const_value(other), parse_const_value(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_values(one: str, other: str) -> None:
    """Different values have different keys, as text and as AST, in both orders."""
    assert not same_value(one, other)
    assert not same_value(parse_const_value(other), parse_const_value(one))


def test_no_value_is_not_null() -> None:
    """An absent default differs from the default null."""
    assert same_value(None, None)
    assert not same_value(None, "null")
