"""The rules of musicians' profiles, without I/O: checks of the fields of a profile's input."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.global_ids import key_of

MAX_SKILLS: Final = 30
MAX_URLS: Final = 20
_LARGEST_DOCUMENT: Final = 64_000
_LARGEST_AVAILABILITY: Final = 8_000
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True)
class Profile:
    """A row of the table `musician_profiles`; `updated_at` None: it is not known (`cached_profiles`)."""

    id: UUID
    user_id: UUID
    stage_name: str
    bio: str
    hourly_rate: Decimal
    currency: str
    experience_years: int
    latitude: float | None
    longitude: float | None
    address: str | None
    city: str | None
    country: str | None
    availability_schedule: Mapping[str, Any]
    portfolio_urls: Sequence[str]
    created_at: datetime
    updated_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class SkillRecord:
    """A row of the catalogue of skills; `category` is "instrument", "genre" or "style"."""

    id: UUID
    name: str
    category: str
    description: str
    icon_url: str | None


def columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked fields of a profile's input as new values of its row, by column.

    Raises BadUserInput, with every wrong field.
    """
    checked: dict[str, Any] = {}
    with checks.Mistakes() as mistakes:
        for name, value in values.items():
            checked |= mistakes.check(_CHECKS[name], value) or {}
    return checked


def document(value: Any) -> dict[str, Any] | None:
    """Return the checked document of a profile, any JSON object of limited size, or None.

    Raises BadUserInput.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadUserInput("'profileDocument' must be a JSON object or null", "profileDocument")
    return checks.document(value, "profileDocument", _LARGEST_DOCUMENT)


def skill_keys(values: Sequence[str]) -> dict[str, str]:
    """Return at most MAX_SKILLS UUIDs or names of skills in lower case, without repetitions, each with what
    the caller has given.

    A global id of a skill becomes its UUID. Raises BadUserInput.
    """
    if len(values) > MAX_SKILLS:
        raise BadUserInput(f"'skills' must have at most {MAX_SKILLS} skills, got {len(values)}", "skills")
    given = [checks.text(value, "skills", 100) for value in values]
    return {str(key_of(value, "Skill") or value).lower(): value for value in given}


def _not_null(value: Any, field: str) -> Any:
    if value is None:
        raise BadUserInput(f"'{field}' must not be null", field)
    return value


def _rate(value: Mapping[str, Any]) -> dict[str, Any]:
    with checks.Mistakes() as mistakes:
        code = mistakes.check(checks.currency, value["currency"], "hourlyRate.currency") or "EUR"
        amount = mistakes.check(checks.money, Decimal(value["amount"]), "hourlyRate.amount", code)
    return {"hourly_rate": amount, "currency": code}


def _location(value: Any) -> dict[str, Any]:
    if value is None:
        return dict.fromkeys(("latitude", "longitude", "address", "city", "country"))
    country, text = value["country"], checks.optional_text
    with checks.Mistakes() as mistakes:
        return {
            "latitude": mistakes.check(checks.latitude, value["latitude"], "location.latitude"),
            "longitude": mistakes.check(checks.longitude, value["longitude"], "location.longitude"),
            "address": mistakes.check(text, value["address"], "location.address", 300),
            "city": mistakes.check(text, value["city"], "location.city", 100),
            "country": mistakes.check(checks.country, country, "location.country") if country else None,
        }


def _availability(value: Any) -> dict[str, Any]:
    """Return a checked weekly schedule; None gives {}.

    Example: {"monday": [{"from": "18:00", "to": "02:00"}]}, a time that ends on the next day.
    """
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(_is_day(day, slots) for day, slots in value.items()):
        raise BadUserInput(
            '\'availability\' must be like {"monday": [{"from": "18:00", "to": "23:00"}]}, with English'
            " names of days in full",
            "availability",
        )
    return checks.document(value, "availability", _LARGEST_AVAILABILITY)


def _is_day(day: str, slots: Any) -> bool:
    return day in _DAYS and isinstance(slots, list) and all(_is_slot(slot) for slot in slots)


def _is_slot(slot: Any) -> bool:
    if not isinstance(slot, dict) or slot.keys() != {"from", "to"}:
        return False
    times = [slot["from"], slot["to"]]
    return times[0] != times[1] and all(isinstance(time, str) and _TIME.fullmatch(time) for time in times)


def _urls(values: Sequence[str] | None) -> list[str]:
    if len(values or ()) > MAX_URLS:
        raise BadUserInput(
            f"'portfolioUrls' must have at most {MAX_URLS} URLs, got {len(values or ())}", "portfolioUrls"
        )
    return [checks.url(value, "portfolioUrls") for value in values or ()]


_CHECKS: Final[Mapping[str, Any]] = {
    "stage_name": lambda value: {"stage_name": checks.label(_not_null(value, "stageName"), "stageName", 100)},
    "bio": lambda value: {"bio": checks.optional_text(value, "bio", 5000, lines=True) or ""},
    "hourly_rate": lambda value: _rate(_not_null(value, "hourlyRate")),
    "experience_years": lambda value: {
        "experience_years": checks.whole(_not_null(value, "experienceYears"), "experienceYears", 0, 80)
    },
    "location": _location,
    "availability": lambda value: {"availability_schedule": _availability(value)},
    "portfolio_urls": lambda value: {"portfolio_urls": _urls(value)},
}
