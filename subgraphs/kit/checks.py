"""Checks of what a caller typed in; each answers the cleaned value or says what is wrong with which field."""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

import orjson

from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.loaders import uuid_of

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")


def text(value: str, field: str, longest: int, shortest: int = 1, *, lines: bool = False) -> str:
    """A text without surrounding blanks and without control characters (line breaks where `lines` allows
    them).
    """
    cleaned = unicodedata.normalize("NFC", value).strip()
    allowed = "\n\r\t" if lines else ""
    if any(unicodedata.category(char) in {"Cc", "Cs"} and char not in allowed for char in cleaned):
        raise BadUserInput(f"'{field}' holds control characters", field)
    if not shortest <= len(cleaned) <= longest:
        raise BadUserInput(f"'{field}' must have {shortest} to {longest} characters", field)
    return cleaned


def optional_text(value: str | None, field: str, longest: int, *, lines: bool = False) -> str | None:
    """A text that may be absent; an empty one counts as absent."""
    return text(value, field, longest, lines=lines) if value and value.strip() else None


def email(value: str) -> str:
    """An email address; whether it is somebody's, only a message to it can tell."""
    cleaned = text(value, "email", 255)
    if not _EMAIL.fullmatch(cleaned):
        raise BadUserInput("'email' is not an email address", "email")
    return cleaned


def url(value: str, field: str) -> str:
    """A web address."""
    cleaned = text(value, field, 2000)
    try:
        parts = urlsplit(cleaned)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or " " in cleaned:
        raise BadUserInput(f"'{field}' must be an http or https address", field)
    return cleaned


def whole(value: int, field: str, least: int, most: int) -> int:
    """A whole number in a range."""
    if not least <= value <= most:
        raise BadUserInput(f"'{field}' must be from {least} to {most}", field)
    return value


def decimal(value: float, field: str, least: float, most: float) -> float:
    """A number in a range; neither NaN nor infinity is in one."""
    if not least <= value <= most:
        raise BadUserInput(f"'{field}' must be from {least} to {most}", field)
    return value


def money(value: Decimal, field: str) -> Decimal:
    """An amount of money: not negative, at most two decimals, what numeric(10,2) can hold."""
    if not value.is_finite() or not 0 <= value < 10**8:
        raise BadUserInput(f"'{field}' must be an amount from 0 to 99999999.99", field)
    if value != value.quantize(Decimal("0.01")):
        raise BadUserInput(f"'{field}' has more than two decimals", field)
    return value.quantize(Decimal("0.01"))


def currency(value: str) -> str:
    """A currency by its code of three letters (ISO 4217)."""
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise BadUserInput("'currency' must be a code of three capital letters, such as EUR", "currency")
    return value


@cache
def known_zones() -> frozenset[str]:
    """The IANA names of time zones that this machine has data of; they do not change while a process runs."""
    return frozenset(available_timezones())


def time_zone(value: str) -> str:
    """A time zone by its IANA name."""
    if value not in known_zones():
        raise BadUserInput("'timeZone' must be an IANA name such as Europe/Berlin", "timeZone")
    return value


def identifier(value: str, field: str) -> UUID:
    """An id that the caller wrote."""
    if (found := uuid_of(value)) is None:
        raise BadUserInput(f"'{field}' is not an id", field)
    return found


def identifiers(values: Sequence[str], field: str, most: int) -> tuple[UUID, ...]:
    """Ids that the caller wrote, each once, in their order."""
    if len(values) > most:
        raise BadUserInput(f"'{field}' holds more than {most} ids", field)
    return tuple(dict.fromkeys(identifier(value, field) for value in values))


def document(value: dict[str, Any], field: str, largest: int) -> dict[str, Any]:
    """A JSON object of a bounded size, without the NUL character, which PostgreSQL's JSON cannot hold."""
    try:
        encoded = orjson.dumps(value)
    except TypeError:
        raise BadUserInput(f"'{field}' is nested too deep or holds what is not JSON", field) from None
    if len(encoded) > largest:
        raise BadUserInput(f"'{field}' is larger than {largest} bytes", field)
    if b"\\u0000" in encoded:
        raise BadUserInput(f"'{field}' holds control characters", field)
    return value
