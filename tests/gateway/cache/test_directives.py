"""Values of Cache-Control, CDN-Cache-Control, Age, dates and Vary: right, wrong, huge, hostile, cut off."""

import string
import time

import pytest
from hypothesis import given, strategies

from gateway.cache.directives import (
    LONGEST,
    NOTHING,
    Directives,
    directives_of,
    read_age,
    read_date,
    read_seconds,
    read_vary,
    targeted_directives,
)

VALUES = {
    "max-age=60": Directives(max_age=60),
    " MAX-AGE=60 ,Public": Directives(max_age=60, public=True),
    "max-age=0": Directives(max_age=0),
    "max-age=003600": Directives(max_age=3600),
    'max-age="3600"': Directives(max_age=3600),
    "max-age='3600'": Directives(max_age=0),
    "max-age": Directives(max_age=0),
    "max-age=": Directives(max_age=0),
    "max-age=-3600": Directives(max_age=0),
    "max-age=+60": Directives(max_age=0),
    "max-age=3600.0": Directives(max_age=0),
    "max-age=1e3": Directives(max_age=0),
    "max-age=3600a": Directives(max_age=0),
    "max-age =3600": Directives(max_age=0),
    "max-age= 3600": Directives(max_age=0),
    "max-age=1_000": Directives(max_age=0),
    "max-age=2147483648": Directives(max_age=LONGEST),
    "max-age=99999999999999999999999": Directives(max_age=LONGEST),
    "max-age=0000000000000000000000000060": Directives(max_age=60),
    "max-age=1800, max-age=1": Directives(max_age=1),
    "max-age=1, max-age=1800": Directives(max_age=1),
    "min-fresh=1, min-fresh=1800": Directives(min_fresh=1800),
    "stale-if-error=60, stale-while-revalidate=5": Directives(stale_if_error=60, stale_while_revalidate=5),
    "stale-if-error": Directives(stale_if_error=0),
    "stale-if-error=true": Directives(stale_if_error=0),
    "max-stale": Directives(max_stale=LONGEST),
    "max-stale=10": Directives(max_stale=10),
    "max-stale=x": Directives(max_stale=0),
    "s-maxage=2, proxy-revalidate": Directives(s_maxage=2, proxy_revalidate=True),
    "no-cache": Directives(no_cache=True),
    'no-cache="a, B"': Directives(no_cache_fields=frozenset({"a", "b"})),
    'no-cache="a", no-cache="b"': Directives(no_cache_fields=frozenset({"a", "b"})),
    "no-cache=a": Directives(no_cache_fields=frozenset({"a"})),
    'no-cache=""': Directives(no_cache=True),
    'no-cache="a b"': Directives(no_cache=True),
    'private="Set-Cookie", private': Directives(private=True, private_fields=frozenset({"set-cookie"})),
    'private="a': Directives(private=True),
    "no-store=1": Directives(no_store=True),
    "public=1, immutable=0": NOTHING,
    "foobar, max-age=3600": Directives(max_age=3600),
    'extension="max-age=3600", max-age=1': Directives(max_age=1),
    'extension="no-store, \\" private", max-age=1': Directives(max_age=1),
    'extension="cut off, no-store': Directives(no_store=True),
    "no-store2, xno-store, no store": NOTHING,
    "no-store;max-age=5": NOTHING,
    "max-age=6\x000": Directives(max_age=0),
    "max-age=\u0661": Directives(max_age=0),
    ",,;,=,\\,": NOTHING,
    "": NOTHING,
}


@pytest.mark.parametrize("text", VALUES)
def test_directives(text: str) -> None:
    """Each value is read as the table says: what cannot be read is the most restrictive value."""
    assert directives_of([text.encode()]) == VALUES[text]


def test_lines_are_one_list() -> None:
    """Several lines are read as one, and a message without a line has no directives."""
    assert directives_of([b"max-age=5", b"no-store"]) == Directives(max_age=5, no_store=True)
    assert directives_of([]) is NOTHING


@pytest.mark.parametrize("piece", ['"', '\\"', '"\\', ",", "a=", 'a="', "max-age=9,", "\xff"])
def test_huge_values_take_linear_time(piece: str) -> None:
    """A megabyte of what might make a parser backtrack is read within two seconds."""
    text = (piece * (1_000_000 // len(piece))).encode("latin-1")
    started = time.perf_counter()
    directives_of([text])
    targeted_directives([text])
    read_age([text])
    read_date([text])
    read_vary([text])
    assert time.perf_counter() - started < 2


@given(strategies.lists(strategies.binary(max_size=40), max_size=3))
def test_no_bytes_raise(lines: list[bytes]) -> None:
    """Every reader returns something for any bytes."""
    directives_of(lines)
    targeted_directives(lines)
    assert 0 <= read_age(lines) <= LONGEST
    read_date(lines)
    read_vary(lines)


@given(strategies.text(string.ascii_letters + ' ,="\\', max_size=30))
def test_no_store_is_never_lost(before: str) -> None:
    """Whatever comes before it, a separate line with no-store counts, unless a quote opens before it."""
    assert '"' in before or directives_of([before.encode(), b"no-store"]).no_store


AGES = {
    (): 0,
    ("0",): 0,
    (" 90 ",): 90,
    ("007",): 7,
    ("99999999999999999999",): LONGEST,
    ("abc",): LONGEST,
    ("",): LONGEST,
    ("-7200",): LONGEST,
    ("7200.0",): LONGEST,
    ("7200;foo=bar",): LONGEST,
    ("7200,0",): 7200,
    ("0,7200",): 0,
    ("0, 0",): LONGEST,
    ("3600, 3600",): LONGEST,
    ("0", "7200"): LONGEST,
    ("0", "0"): LONGEST,
}


@pytest.mark.parametrize("lines", AGES, ids=repr)
def test_age(lines: tuple[str, ...]) -> None:
    """The first number of a line counts; what cannot be read, and a second line, is as old as can be."""
    assert read_age([one.encode() for one in lines]) == AGES[lines]


DATES = {
    "Sun, 06 Nov 1994 08:49:37 GMT": 784111777.0,
    "Sunday, 06-Nov-94 08:49:37 GMT": 784111777.0,
    "Sun Nov  6 08:49:37 1994": 784111777.0,
    "Thursday, 18-Aug-50 02:01:18 GMT": 2544400878.0,
    "Sat, 31 Dec 2016 23:59:60 GMT": 1483228799.0,
    "0": None,
    "-1": None,
    "": None,
    "Sun, 06 Nov 1994 08:49:37": None,
    "Sun, 06 Nov 1994 08:49:37 UTC": None,
    "Sun, 6 Nov 1994 08:49:37 GMT": None,
    "Sun, 06 NOV 1994 08:49:37 GMT": None,
    "Sun, 31 Feb 1994 08:49:37 GMT": None,
    "Sun, 06 Nov 1994 25:49:37 GMT": None,
    "Sun, 06 Nov 0000 08:49:37 GMT": None,
    "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT": None,
    "Sun, 06 Nov 19944 08:49:37 GMT": None,
}


@pytest.mark.parametrize("text", DATES)
def test_date(text: str) -> None:
    """The three formats of RFC 9110 (its own examples first) are read, and nothing else."""
    assert read_date([text.encode()]) == DATES[text]


def test_two_dates_are_none() -> None:
    """A message with two lines, or none, has no date."""
    assert read_date([b"Sun, 06 Nov 1994 08:49:37 GMT"] * 2) is None
    assert read_date([]) is None


def test_seconds() -> None:
    """Only ASCII digits are a number of seconds."""
    assert [read_seconds(one) for one in ("12", "0", "00", "", "\u00b2", "1 ")] == [
        12,
        0,
        0,
        None,
        None,
        None,
    ]


VARIES = {
    (): (frozenset(), False),
    ("Accept, X-User",): (frozenset({b"accept", b"x-user"}), False),
    ("Accept", "accept,"): (frozenset({b"accept"}), False),
    ("*",): (frozenset(), True),
    ("Accept, *",): (frozenset(), True),
    ("", "*"): (frozenset(), True),
    ("Accept Language",): (frozenset(), True),
    ('"Accept"',): (frozenset(), True),
}


@pytest.mark.parametrize("lines", VARIES, ids=repr)
def test_vary(lines: tuple[str, ...]) -> None:
    """Names are lower-case; `*`, or what is no name, matches no other request."""
    assert read_vary(one.encode() for one in lines) == VARIES[lines]


TARGETED = {
    "max-age=600": Directives(max_age=600),
    "max-age=600, no-store": Directives(max_age=600, no_store=True),
    "no-store=?0, max-age=60": Directives(max_age=60),
    "no-store=?1": Directives(no_store=True),
    "max-age=60;ext;n=1.5, public;x": Directives(max_age=60, public=True),
    "max-age=1, max-age=60": Directives(max_age=60),
    "max-age=60.5": Directives(max_age=0),
    "max-age=-60": Directives(max_age=0),
    "max-age": Directives(max_age=0),
    "none": NOTHING,
    'ext=("a" b;c);d, x=:AAA=:, y=@1, z=%"f%c3%bc", max-age=5': Directives(max_age=5),
    "": None,
    "  ": None,
    "MAX-AGE=60": None,
    "max-age=60,": None,
    "max-age=60 public": None,
    "max-age = 60": None,
    'max-age=60, ext="cut off': None,
    "max-age=60, &": None,
    "max-age=1234567890123456": None,
}


@pytest.mark.parametrize("text", TARGETED)
def test_targeted_field(text: str) -> None:
    """CDN-Cache-Control is a dictionary of RFC 9651, of which the last of two members counts; else None."""
    assert targeted_directives([text.encode()]) == TARGETED[text]


def test_targeted_field_is_missing() -> None:
    """A message without the field has none, and several lines are one dictionary."""
    assert targeted_directives([]) is None
    assert targeted_directives([b"max-age=5", b"public"]) == Directives(max_age=5, public=True)


def test_strictness() -> None:
    """Each of four directives, and no other, forbids the use of stale responses."""
    strict = ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=5")
    assert all(directives_of([one.encode()]).forbids_stale for one in strict)
    assert not directives_of([b'max-age=5, public, private, immutable, no-cache="a"']).forbids_stale
