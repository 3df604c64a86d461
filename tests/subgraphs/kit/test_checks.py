"""Checks of what callers type in."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput


def test_texts_are_cleaned() -> None:
    """Blanks around are cut, letters are composed, quotes and semicolons are letters like any other."""
    assert checks.text("  Robert'); DROP TABLE users;-- ", "name", 50) == "Robert'); DROP TABLE users;--"
    assert checks.text("e\u0301", "name", 1) == "é"
    assert checks.text("a\nb", "text", 10, lines=True) == "a\nb"
    assert checks.optional_text("  ", "name", 10) is None
    assert checks.optional_text(None, "name", 10) is None


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (lambda value: checks.text(value, "x", 3), ["", "   ", "abcd", "a\0b", "a\nb", "a\x1bb"]),
        (lambda value: checks.text(value, "x", 9, lines=True), ["a\0b", "a\x07"]),
        (
            checks.email,
            ["", "a", "@b.c", "a@b", "a b@c.de", "a@b@c.de", "a" * 65 + "@b.de", f"a@{'b' * 255}.de"],
        ),
        (
            lambda value: checks.url(value, "x"),
            ["ftp://a.b", "javascript:alert(1)", "//a", "http://", "http://[", "x"],
        ),
        (lambda value: checks.whole(value, "x", 1, 5), [0, 6, -1]),
        (lambda value: checks.decimal(value, "x", -90, 90), [90.1, float("nan"), float("inf")]),
        (
            lambda value: checks.money(Decimal(value), "x"),
            ["-0.01", "1.001", "1e8", "NaN", "Infinity", "1e99999"],
        ),
        (checks.currency, ["", "eur", "EURO", "€"]),
        (lambda value: checks.identifier(value, "x"), ["", "1", "0" * 100, "x' or 1=1"]),
        (lambda value: checks.identifiers(value, "x", 1), [["a"], ["0" * 32, "1" * 32]]),
        (lambda value: checks.document(value, "x", 20), [{"a": "b" * 20}, {"a": "\0"}, {"a": {1, 2}}]),
    ],
)
def test_what_is_wrong_is_named(check: Callable[[Any], Any], wrong: list[Any]) -> None:
    """Each wrong value is refused with an error that names the field."""
    for value in wrong:
        with pytest.raises(BadUserInput) as caught:
            check(value)
        assert caught.value.extensions["field"] in {"x", "email", "currency"}


def test_right_values_pass() -> None:
    """Values in order come back cleaned."""
    assert checks.email(" Ann.O'Neil+x@mail.example.org ") == "Ann.O'Neil+x@mail.example.org"
    assert checks.url("https://example.org/a?b=c", "x") == "https://example.org/a?b=c"
    assert checks.money(Decimal("99999999.99"), "x") == Decimal("99999999.99")
    assert str(checks.money(Decimal("5"), "x")) == "5.00"
    assert len(checks.identifiers(["0" * 32, "0" * 32], "x", 5)) == 1
    assert checks.document({"a": [1, {"b": None}]}, "x", 100) == {"a": [1, {"b": None}]}
