"""Checks of callers' input, which handlers and resolvers of all services use.

Each function returns the checked, normalised value, or raises BadUserInput with a message for the user.
`field` is the name of the GraphQL argument or input field, for the message.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import orjson

from subgraphs.kit.currencies import CODES, unit_of
from subgraphs.kit.errors import BadUserInput, SeveralMistakes
from subgraphs.kit.global_ids import decode, key_of

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")
_INVISIBLE = frozenset({"Cf", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
)  # of other categories, but never visible
_ALIKE = frozenset({"LATIN", "GREEK", "CYRILLIC"})
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")


class Mistakes:
    """Collects the errors of several checks, so that a caller learns of every wrong field at once.

    Example: `with Mistakes() as mistakes: title = mistakes.check(label, value, "title", 200)`; at the end of
    the block the errors are raised, one as it is, several as SeveralMistakes.
    """

    def __init__(self) -> None:
        self.found: list[BadUserInput] = []

    def __enter__(self) -> "Mistakes":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.end()

    def check(
        self, function: Callable[Parameters, Value], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Value:
        """Return the result of a check; None, whatever the declared type, if it raises BadUserInput.

        A block that goes on with the result must call `end` first.
        """
        try:
            return function(*args, **kwargs)
        except BadUserInput as error:
            self.found += [part for part in error.parts if isinstance(part, BadUserInput)]
            return cast(Value, None)

    def end(self) -> None:
        """Raise the errors of the checks until now, if there are any."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise SeveralMistakes(self.found)


def text(value: str, field: str, longest: int, shortest: int = 1, *, lines: bool = False) -> str:
    """Return a text, normalised (NFC) and without blanks at its ends, of `shortest` to `longest` characters.

    Control characters are refused; `lines` True allows line breaks and tabs.
    """
    cleaned = unicodedata.normalize("NFC", value).strip()
    allowed = "\n\r\t" if lines else ""
    if any(unicodedata.category(char) in {"Cc", "Cs"} and char not in allowed for char in cleaned):
        raise BadUserInput(f"'{field}' must not contain control characters", field)
    if not shortest <= len(cleaned) <= longest:
        raise BadUserInput(
            f"'{field}' must have {shortest} to {longest} characters, got {len(cleaned)}", field
        )
    return cleaned


def visible_text(value: str, field: str, longest: int) -> str:
    """Return a text of 1 to `longest` characters, as `text` does, with line breaks and tabs.

    A text without a visible character is refused.
    """
    cleaned = text(value, field, longest, lines=True)
    if all(char.isspace() or _is_invisible(char) for char in cleaned):
        raise BadUserInput(f"'{field}' must have a visible character", field)
    return cleaned


def _is_invisible(char: str) -> bool:
    return char in _BLANK or unicodedata.category(char) in _INVISIBLE


def label(value: str, field: str, longest: int, shortest: int = 1) -> str:
    """Return a name or title of one line, as `text` does, whose characters are what they seem.

    Refused are invisible characters, variants of letters such as fullwidth ones, and words that mix letters
    of scripts that look alike: Latin, Greek and Cyrillic.
    """
    cleaned = text(value, field, longest, shortest)
    for char in cleaned:
        variant = char.isalpha() and unicodedata.normalize("NFKC", char) != char
        if variant or _is_invisible(char):
            raise BadUserInput(
                f"'{field}' must not contain invisible characters or variants of letters,"
                f" got U+{ord(char):04X}",
                field,
            )
    for word in re.findall(r"[^\W\d_]+", cleaned):
        scripts = {unicodedata.name(char, "").partition(" ")[0] for char in word} & _ALIKE
        if len(scripts) > 1:
            names = " and ".join(sorted(script.capitalize() for script in scripts))
            raise BadUserInput(f"'{field}' must not mix {names} letters in a word, got {word!r}", field)
    return cleaned


def optional_text(value: str | None, field: str, longest: int, *, lines: bool = False) -> str | None:
    """Return the text as `text` does; None if the value is None or blank."""
    return text(value, field, longest, lines=lines) if value and value.strip() else None


def email(value: str) -> str:
    """Return an email address; only its form is checked."""
    cleaned = text(value, "email", 255)
    if not _EMAIL.fullmatch(cleaned):
        raise BadUserInput("'email' must be an email address, such as ada@example.org", "email")
    return cleaned


def url(value: str, field: str) -> str:
    """Return an http or https URL with a host."""
    cleaned = text(value, field, 2000)
    try:
        parts = urlsplit(cleaned)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or " " in cleaned:
        raise BadUserInput(f"'{field}' must be an http or https URL", field)
    return cleaned


def whole(value: int, field: str, least: int, most: int) -> int:
    """Return a whole number from `least` to `most`."""
    if not least <= value <= most:
        raise BadUserInput(f"'{field}' must be from {least} to {most}, got {value}", field)
    return value


def decimal(value: float, field: str, least: float, most: float) -> float:
    """Return a number from `least` to `most`; NaN and infinity are refused."""
    if not least <= value <= most:
        raise BadUserInput(f"'{field}' must be from {least} to {most}, got {value}", field)
    return value


def latitude(value: float, field: str) -> float:
    """Return a latitude in degrees north, from -90 to 90."""
    return decimal(value, field, -90, 90)


def longitude(value: float, field: str) -> float:
    """Return a longitude in degrees east, from -180 to 180."""
    return decimal(value, field, -180, 180)


def country(value: str, field: str = "country") -> str:
    """Return a country code of two capital letters (ISO 3166-1); whether it is assigned is not checked."""
    if not re.fullmatch(r"[A-Z]{2}", value):
        raise BadUserInput("'country' must be a code of two capital letters, such as DE", field)
    return value


def in_utc(value: datetime, field: str) -> datetime:
    """Return a time converted to UTC; a time without an offset is interpreted as UTC."""
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise BadUserInput(f"'{field}' must be in the years 1 to 9999 in UTC", field) from None


def period(
    start: datetime | None, end: datetime | None, fields: tuple[str, str]
) -> tuple[datetime | None, datetime | None]:
    """Return the two times in UTC, each None if it is absent; `fields` are their names.

    Raises BadUserInput if `end` is before `start`.
    """
    first = None if start is None else in_utc(start, fields[0])
    last = None if end is None else in_utc(end, fields[1])
    if first and last and first > last:
        raise BadUserInput(
            f"'{fields[0]}' must not be after '{fields[1]}', got {first} and {last}", fields[0]
        )
    return first, last


def money(value: Decimal, field: str, code: str = "EUR") -> Decimal:
    """Return an amount of money that fits numeric(10,2): not negative, with the decimals of its currency.

    `code`: the currency's.
    """
    if not value.is_finite() or not 0 <= value < 10**8:
        raise BadUserInput(f"'{field}' must be an amount from 0 to 99999999.99, got {value}", field)
    if value != value.quantize(Decimal("0.01")):
        raise BadUserInput(f"'{field}' must have at most two decimals, got {value}", field)
    if value != value.quantize(unit_of(code)):
        raise BadUserInput(f"'{field}' must be a whole amount: {code} has no decimals, got {value}", field)
    return value.quantize(Decimal("0.01"))


def currency(value: str, field: str = "currency") -> str:
    """Return the code of a currency (ISO 4217) that has at most two decimals."""
    if value not in CODES:
        raise BadUserInput(
            f"'{field}' must be the code of a currency, such as EUR, got {value[:10]!r}", field
        )
    return value


@cache
def known_zones() -> frozenset[str]:
    """Return the IANA names of the time zones for which this machine has data; they are read only once."""
    return frozenset(available_timezones())


def time_zone(value: str) -> str:
    """Return the IANA name of a time zone, such as Europe/Berlin, for which this machine has data."""
    if value not in known_zones():
        raise BadUserInput("'timeZone' must be an IANA name such as Europe/Berlin", "timeZone")
    return value


def zone(value: str) -> ZoneInfo:
    """Return the time zone with this IANA name, such as Europe/Berlin."""
    try:
        return ZoneInfo(time_zone(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadUserInput("'timeZone' must be an IANA name such as Europe/Berlin", "timeZone") from None


def identifier(value: str, field: str, kind: str | None = None) -> UUID:
    """Return the UUID of an object of the GraphQL type `kind` from its global id, or from its plain UUID.

    `kind` None: only a plain UUID is accepted, as in fields that only services use.
    """
    if (parsed := key_of(value, kind)) is not None:
        return parsed
    found = decode(value)
    if kind is None:
        raise BadUserInput(f"'{field}' must be an id, which is a UUID", field)
    got = f"the id of an object of the type {found.kind}" if found else f"{value[:60]!r}"
    raise BadUserInput(f"'{field}' must be the id of an object of the type {kind}, got {got}", field)


def identifiers(values: Sequence[str], field: str, most: int, kind: str | None = None) -> tuple[UUID, ...]:
    """Return at most `most` ids, each parsed as by `identifier`, in their order, without repetitions."""
    if len(values) > most:
        raise BadUserInput(f"'{field}' must have at most {most} ids, got {len(values)}", field)
    return tuple(dict.fromkeys(identifier(value, field, kind) for value in values))


def document(value: dict[str, Any], field: str, largest: int) -> dict[str, Any]:
    """Return a JSON object that has at most `largest` bytes as JSON and no NUL character.

    PostgreSQL cannot store NUL characters.
    """
    try:
        encoded = orjson.dumps(value)
    except TypeError:
        raise BadUserInput(
            f"'{field}' must be JSON: it is nested too deeply, or has a value that is not JSON", field
        ) from None
    if len(encoded) > largest:
        raise BadUserInput(f"'{field}' must have at most {largest} bytes as JSON, got {len(encoded)}", field)
    if b"\\u0000" in encoded:
        raise BadUserInput(f"'{field}' must not contain the NUL character", field)
    return value
