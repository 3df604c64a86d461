"""Tests of the checks of callers' input."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput

EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
FIRST_DAY, LAST_DAY = datetime.min.replace(tzinfo=EAST), datetime.max.replace(tzinfo=WEST)
NOON = datetime(2027, 6, 5, 12, tzinfo=UTC)


def test_texts_are_cleaned() -> None:
    """Blanks at the ends are removed, letters are composed (NFC), and quotes and semicolons are not
    special.
    """
    assert checks.text("  Robert'); DROP TABLE users;-- ", "name", 50) == "Robert'); DROP TABLE users;--"
    assert checks.text("e\u0301", "name", 1) == "é"
    assert checks.text("a\nb", "text", 10, lines=True) == "a\nb"
    assert checks.visible_text(" a\u200d\n\tb ", "text", 10) == "a\u200d\n\tb"
    assert checks.optional_text("  ", "name", 10) is None
    assert checks.optional_text(None, "name", 10) is None


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (lambda value: checks.text(value, "x", 3), ["", "   ", "abcd", "a\0b", "a\nb", "a\x1bb"]),
        (lambda value: checks.text(value, "x", 9, lines=True), ["a\0b", "a\x07"]),
        (
            lambda value: checks.visible_text(value, "x", 9),
            ["", " \n", "\u200b", "\u3164 \u2800\n\u2060", "\u202e", "a\0", "x" * 10],
        ),
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
        (checks.currency, ["", "eur", "EURO", "€", "ZZZ", "XXX", "KWD"]),
        (lambda value: checks.country(value, "x"), ["", "de", "DEU", "D", "DE\n", "ÄÖ"]),
        (lambda value: checks.latitude(value, "x"), [90.1, -90.1, float("nan")]),
        (lambda value: checks.longitude(value, "x"), [180.1, -180.1, float("nan")]),
        (checks.zone, ["", "Mars/Olympus", "../../etc/passwd", "x" * 5000]),
        (lambda value: checks.in_utc(value, "x"), [FIRST_DAY, LAST_DAY]),
        (lambda value: checks.period(value[0], value[1], ("x", "y")), [(NOON, NOON - timedelta(seconds=1))]),
        (lambda value: checks.identifier(value, "x"), ["", "1", "0" * 100, "x' or 1=1"]),
        (lambda value: checks.identifiers(value, "x", 1), [["a"], ["0" * 32, "1" * 32]]),
        (lambda value: checks.document(value, "x", 20), [{"a": "b" * 20}, {"a": "\0"}, {"a": {1, 2}}]),
    ],
)
def test_what_is_wrong_is_named(check: Callable[[Any], Any], wrong: list[Any]) -> None:
    """Each wrong value raises an error that names the field."""
    for value in wrong:
        with pytest.raises(BadUserInput) as caught:
            check(value)
        assert caught.value.extensions["field"] in {"x", "email", "currency", "timeZone"}


def test_right_values_pass() -> None:
    """Valid values are returned, cleaned."""
    assert checks.email(" Ann.O'Neil+x@mail.example.org ") == "Ann.O'Neil+x@mail.example.org"
    assert checks.url("https://example.org/a?b=c", "x") == "https://example.org/a?b=c"
    assert checks.money(Decimal("99999999.99"), "x") == Decimal("99999999.99")
    assert str(checks.money(Decimal("5"), "x")) == "5.00"
    assert len(checks.identifiers(["0" * 32, "0" * 32], "x", 5)) == 1
    assert checks.document({"a": [1, {"b": None}]}, "x", 100) == {"a": [1, {"b": None}]}
    assert checks.country("DE") == "DE"
    assert (checks.latitude(-90, "x"), checks.longitude(180, "x")) == (-90, 180)
    assert checks.zone("Europe/Berlin").key == "Europe/Berlin"


def test_times_in_utc() -> None:
    """A time without an offset is in UTC; a period may lack either end, and may be empty."""
    assert checks.in_utc(NOON.astimezone(EAST), "x") == NOON
    assert checks.in_utc(NOON.replace(tzinfo=None), "x").tzinfo is UTC
    names = ("from", "to")
    assert checks.period(None, None, names) == (None, None)
    assert checks.period(NOON.replace(tzinfo=None), None, names) == (NOON, None)
    assert checks.period(NOON, NOON, names) == (NOON, NOON)


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "José Müller-Łukasz",
        "Владимир Бах",
        "Ελένη",
        "東京ジャズ",
        "אורי",
        "Ω Trio",
        "Trio №5",
        "DJ Ö 🎷",
        "Владимир & Ada",
    ],
)
def test_a_name_is_in_any_script(name: str) -> None:
    """Names of all scripts are names, also two scripts in two words."""
    assert checks.label(f" {name} ", "x", 100) == name


@pytest.mark.parametrize(
    "name",
    [
        "Ada\u200bLovelace",  # zero width space
        "\u202eecalevoL",  # written from right to left
        "Ada\u00ad",  # soft hyphen
        "\u3164",  # Hangul filler: a letter that is not visible
        "\u2800\u2800",  # blank of braille
        "\ufeffAda",  # byte order mark
        "Ada\u2028Lovelace",  # line separator
        "\ue000",  # private use
        "Аda",  # a Cyrillic A
        "pаypal",  # a Cyrillic a
        "Ελlas",  # Greek and Latin
        "Ａｄａ",  # fullwidth letters
        "𝐀𝐝𝐚",  # mathematical letters
        "ﬁdelio",  # a ligature
        "A\ndB",
        "\x00",
        "",
        "x" * 101,
    ],
)
def test_a_name_is_what_it_seems(name: str) -> None:
    """Invisible characters, variants of letters and mixed scripts are refused."""
    with pytest.raises(BadUserInput, match="'x'"):
        checks.label(name, "x", 100)


@pytest.mark.parametrize(("code", "amount"), [("JPY", "1.50"), ("ISK", "0.01"), ("EUR", "0.001")])
def test_amounts_have_the_decimals_of_their_currency(code: str, amount: str) -> None:
    """A currency without decimals has whole amounts."""
    with pytest.raises(BadUserInput, match="'x'"):
        checks.money(Decimal(amount), "x", code)
    assert checks.money(Decimal("150.00"), "x", code) == 150
