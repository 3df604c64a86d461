"""Reads the header fields that HTTP caches act upon: Cache-Control, CDN-Cache-Control, Age, dates, Vary.

A reader never raises: what it cannot read counts as the most restrictive value. Example:
`MAX-AGE="60", extension="no-store", s-maxage=abc` gives `Directives(max_age=60, s_maxage=0)`: names are
case-insensitive, a quoted number is a number, text in quotes is no directive, and a number that cannot be
read is 0.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

LONGEST = 2**31  # seconds; a cache may treat any greater number as this one (RFC 9111, 1.2.2)
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of a request or a response (RFC 9111, 5.2; RFC 5861; RFC 8246). Numbers are seconds.

    `no_cache` and `private` are the forms that hold for the whole response; the forms that name header
    fields give those in `no_cache_fields` and `private_fields`, lower-case. `max_stale` is LONGEST for a
    `max-stale` without a number.
    """

    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[str] = frozenset()
    private: bool = False
    private_fields: frozenset[str] = frozenset()
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    immutable: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    max_stale: int | None = None
    min_fresh: int | None = None

    @property
    def forbids_stale(self) -> bool:
        """Whether a shared cache must validate a stale response before each use."""
        strict = self.must_revalidate or self.proxy_revalidate or self.no_cache
        return strict or self.s_maxage is not None


NOTHING = Directives()
_RESTRICTING = frozenset({"no-store", "must-revalidate", "proxy-revalidate", "must-understand"})
_PERMITTING = frozenset({"public", "immutable", "only-if-cached"})  # not with an argument: it is unknown
_QUALIFIED = frozenset({"no-cache", "private"})
_SECONDS = frozenset(
    {"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error", "max-stale", "min-fresh"}
)
_LONGEST_CACHED = 256  # characters; longer values are parsed each time, so that the memo remains small


def directives_of(values: Sequence[bytes]) -> Directives:
    """Return the directives of the Cache-Control lines of one message."""
    if not values:
        return NOTHING
    text = b",".join(values).decode("latin-1")
    return _parsed(text) if len(text) <= _LONGEST_CACHED else _parse(text)


def targeted_directives(values: Sequence[bytes]) -> Directives | None:
    """Return the directives of a field such as CDN-Cache-Control (RFC 9213), a dictionary of RFC 9651.

    None if the field is missing, empty or not a dictionary: Cache-Control holds then. A member of a wrong
    type counts as in Cache-Control: a number of seconds that is no integer is 0.
    """
    members = _dictionary(b",".join(values).decode("latin-1"))
    return _collected((name, value) for name, value in members.items()) if members else None


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Directives:
    return _parse(text)


def _parse(text: str) -> Directives:
    return _collected(_member(part) for part in _parts(text))


def _collected(members: Iterable[tuple[str, str | None]]) -> Directives:
    """Return the directives with these names and arguments; None as an argument is a missing argument.

    Of several numbers the most restrictive counts: RFC 9111, 4.2.1 leaves the choice between the first
    and staleness, and the first of `max-age=1800, max-age=1` is the less safe of the two.
    """
    found: dict[str, Any] = {}
    for name, argument in members:
        key = name.replace("-", "_")
        if name in _SECONDS:
            given = _seconds_of(name, argument)
            choose = max if name == "min-fresh" else min
            found[key] = choose(found.get(key, given), given)
        elif name in _RESTRICTING or (name in _PERMITTING and argument is None):
            found[key] = True
        elif name in _QUALIFIED:
            fields = _field_names(argument)
            if fields:
                found[f"{key}_fields"] = found.get(f"{key}_fields", frozenset()) | fields
            else:
                found[key] = True
    return Directives(**found)


_MARKS = re.compile(r'\\.|[",]', re.DOTALL)


def _parts(text: str) -> Iterable[str]:
    """Return the parts between commas that are outside quotes; between all commas if a quote is left open."""
    if '"' not in text:
        return text.split(",")
    commas, quoted = [-1], False
    for match in _MARKS.finditer(text):
        if match[0] == '"':
            quoted = not quoted
        elif match[0] == "," and not quoted:
            commas.append(match.start())
    if quoted:
        return text.split(",")
    return (text[start + 1 : end] for start, end in pairwise([*commas, len(text)]))


def _member(part: str) -> tuple[str, str | None]:
    """Return the lower-case name and the argument of a directive; None without an argument.

    Blanks around `=` are not allowed: with them the argument stays unreadable, and is not dropped.
    """
    name, equals, argument = part.strip(" \t").partition("=")
    if not equals:
        return name.lower(), None
    return name.strip(" \t").lower(), argument if name == name.strip(" \t") else f" {argument}"


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _seconds_of(name: str, argument: str | None) -> int:
    if argument is None:
        return LONGEST if name == "max-stale" else 0
    return read_seconds(_unquoted(argument)) or 0


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _field_names(argument: str | None) -> frozenset[str]:
    """Return the lower-case field names of `no-cache="a, b"`; empty unless all of them are names."""
    names = [one.strip(" \t").lower() for one in _unquoted(argument or "").split(",")]
    return frozenset(names) if all(_TOKEN.fullmatch(one) for one in names) else frozenset()


def read_seconds(text: str) -> int | None:
    """Return a number of seconds, at most LONGEST; None if the text is not only digits."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return LONGEST if len(digits) > 10 else min(int(digits or "0"), LONGEST)


def read_age(values: Sequence[bytes]) -> int:
    """Return the seconds that the Age lines of one message give; 0 without a line, LONGEST if unreadable.

    `7200,0` is 7200: of a list the first number counts (RFC 9111, 5.1). Two lines, or what two lines become
    when a recipient joins them (`0, 0`: RFC 9110, 5.3), are of two senders, and the age is unknown.
    """
    if not values:
        return 0
    first, _, rest = values[0].partition(b",")
    if len(values) > 1 or rest[:1] in (b" ", b"\t"):
        return LONGEST
    found = read_seconds(first.decode("latin-1").strip(" \t"))
    return LONGEST if found is None else found


_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAYS = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DAY = "(?P<day>[0-9]{2})"
_MONTH = f"(?P<month>{'|'.join(_MONTH_NAMES)})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES = (
    re.compile(rf"{_DAYS}, {_DAY} {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(rf"{_LONG_DAYS}, {_DAY}-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"{_DAYS} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)
"""The three formats of RFC 9110, 5.6.7: IMF-fixdate, RFC 850, asctime."""


def read_date(values: Sequence[bytes]) -> float | None:
    """Return the seconds since 1970 of a Date, Expires or Last-Modified field.

    None if the message has not exactly one such line, or if it has none of the three formats of RFC 9110.
    A year of two digits is one of 1969 to 2068.
    """
    if len(values) != 1:
        return None
    text = values[0].decode("latin-1").strip(" \t")
    match = next((found for one in _DATES if (found := one.fullmatch(text))), None)
    if match is None:
        return None
    year, second = int(match["year"]), min(int(match["second"]), 59)  # 60 is a leap second
    if len(match["year"]) == 2:
        year += 2000 if year < 69 else 1900
    clock = (int(match["hour"]), int(match["minute"]), second)
    try:
        return datetime(year, _MONTHS[match["month"]], int(match["day"]), *clock, tzinfo=UTC).timestamp()
    except ValueError:
        return None


def read_vary(values: Iterable[bytes]) -> tuple[frozenset[bytes], bool]:
    """Return the lower-case field names of the Vary lines, and whether no later request can match.

    The second value is true for `*`, and for a member that is not a name: what differs is unknown then.
    """
    parts = [part.strip(b" \t").lower() for value in values for part in value.split(b",")]
    names = frozenset(part for part in parts if part)
    always = any(part == b"*" or not _TOKEN.fullmatch(part.decode("latin-1")) for part in names)
    return (frozenset(), True) if always else (names, False)


_KEY = r"[a-z*][a-z0-9_.*-]*"
_BARE = (
    r'(?:"(?:[ !#-\[\]-~]|\\["\\])*"'
    r"|-?[0-9]{1,12}\.[0-9]{1,3}|-?[0-9]{1,15}|\?[01]|:[A-Za-z0-9+/=]*:|@-?[0-9]{1,15}"
    r'|%"(?:[ !#$&-~]|%[0-9a-f]{2})*"'
    r"|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)"
)
_PARAMETERS = rf"(?:; *{_KEY}(?:={_BARE})?)*"
_INNER = rf"\( *(?:{_BARE}{_PARAMETERS}(?: +{_BARE}{_PARAMETERS})*)? *\)"
_DICTIONARY_MEMBER = re.compile(rf"({_KEY})(?:=({_INNER}|{_BARE}))?{_PARAMETERS}")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


def _dictionary(text: str) -> dict[str, str | None]:
    """Return the values of a dictionary as text, by name; an empty result if the text is no dictionary.

    A member without a value, or with `?1`, is None; a member `?0` is absent. Of several members of a name the
    last counts.
    """
    found: dict[str, str | None] = {}
    at, text = 0, text.strip(" ")
    while at < len(text):
        match = _DICTIONARY_MEMBER.match(text, at)
        if match is None:
            return {}
        found[match[1]] = None if match[2] == "?1" else match[2]
        at = match.end()
        comma = _COMMA.match(text, at)
        if at < len(text) and (comma is None or comma.end() == len(text)):
            return {}
        at = comma.end() if comma else at
    return {name: value for name, value in found.items() if value != "?0"}


def values_of(headers: Headers, name: bytes) -> list[bytes]:
    """Return the values of the lines with this name; `name` is lower-case, those of `headers` need not be."""
    return [value for one, value in headers if one.lower() == name]
