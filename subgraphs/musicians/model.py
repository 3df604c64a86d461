"""The rules of musicians' profiles."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput

MOST_SKILLS: Final = 30
MOST_URLS: Final = 20
_LARGEST_DOCUMENT: Final = 64_000
_LARGEST_AVAILABILITY: Final = 8_000
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True)
class Profile:
    """A musician's profile, as the database has it."""

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
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class SkillRecord:
    """An instrument, genre or style of the catalogue."""

    id: UUID
    name: str
    category: str
    description: str
    icon_url: str | None


def columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """The checked columns of a profile for what a musician gave, field by field."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _CHECKS[name](value)
    return found


def document(value: Any) -> dict[str, Any] | None:
    """The checked free-form document; none is none."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadUserInput("'profileDocument' must be an object", "profileDocument")
    return checks.document(value, "profileDocument", _LARGEST_DOCUMENT)


def skill_keys(values: Sequence[str]) -> list[str]:
    """Ids or names of skills, each once."""
    if len(values) > MOST_SKILLS:
        raise BadUserInput(f"'skills' holds more than {MOST_SKILLS}", "skills")
    return list(dict.fromkeys(checks.text(value, "skills", 100) for value in values))


def _given(value: Any, field: str) -> Any:
    if value is None:
        raise BadUserInput(f"'{field}' cannot be null", field)
    return value


def _location(value: Any) -> dict[str, Any]:
    if value is None:
        return dict.fromkeys(("latitude", "longitude", "address", "city", "country"))
    country = value["country"] or None
    if country and not re.fullmatch(r"[A-Z]{2}", country):
        raise BadUserInput("'country' must be a code of two capital letters, such as DE", "location.country")
    return {
        "latitude": checks.decimal(value["latitude"], "location.latitude", -90, 90),
        "longitude": checks.decimal(value["longitude"], "location.longitude", -180, 180),
        "address": checks.optional_text(value["address"], "location.address", 300),
        "city": checks.optional_text(value["city"], "location.city", 100),
        "country": country,
    }


def _availability(value: Any) -> dict[str, Any]:
    """A schedule of the week; a slot that ends at or before its start ends on the next day."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(_is_day(day, slots) for day, slots in value.items()):
        raise BadUserInput(
            'A schedule looks like {"monday": [{"from": "18:00", "to": "23:00"}]}, with full names of days in English',
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
    if len(values or ()) > MOST_URLS:
        raise BadUserInput(f"'portfolioUrls' holds more than {MOST_URLS}", "portfolioUrls")
    return [checks.url(value, "portfolioUrls") for value in values or ()]


_CHECKS: Final[Mapping[str, Any]] = {
    "stage_name": lambda value: {"stage_name": checks.text(_given(value, "stageName"), "stageName", 100)},
    "bio": lambda value: {"bio": checks.optional_text(value, "bio", 5000, lines=True) or ""},
    "hourly_rate": lambda value: {
        "hourly_rate": checks.money(Decimal(_given(value, "hourlyRate")), "hourlyRate")
    },
    "currency": lambda value: {"currency": checks.currency(_given(value, "currency"))},
    "experience_years": lambda value: {
        "experience_years": checks.whole(_given(value, "experienceYears"), "experienceYears", 0, 80)
    },
    "location": _location,
    "availability": lambda value: {"availability_schedule": _availability(value)},
    "portfolio_urls": lambda value: {"portfolio_urls": _urls(value)},
}
