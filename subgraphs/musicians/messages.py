"""Commands and events of the musicians service.

`schema` makes the commands from GraphQL inputs, and `handlers` publishes the events. The fields of an event
are the profile's values after the change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from subgraphs.kit.messages import Command, Event
from subgraphs.musicians.model import Profile


@dataclass(frozen=True)
class CreateProfile(Command[Profile]):
    """Create the profile of a user; `values` are the fields of the GraphQL input by name.

    Returns the profile.
    """

    user_id: UUID
    values: Mapping[str, Any]


@dataclass(frozen=True)
class UpdateProfile(Command[Profile]):
    """Change a user's profile; `values` are the provided fields of the GraphQL input. Returns the profile.

    `expected_version`: the version of the profile that the user has seen; None: any.
    """

    user_id: UUID
    values: Mapping[str, Any]
    expected_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class _ProfileEvent(Event):
    aggregate_type: ClassVar[str] = "musician"
    aggregate_key: ClassVar[str] = "musician_id"
    musician_id: UUID
    user_id: UUID
    stage_name: str
    hourly_rate: Decimal
    currency: str
    experience_years: int
    latitude: float | None
    longitude: float | None
    skill_ids: tuple[UUID, ...]
    skills: tuple[str, ...]  # the names of the skills, in the order of `skill_ids`
    bio: str
    address: str | None
    city: str | None
    country: str | None
    availability_schedule: Mapping[str, Any]
    portfolio_urls: Sequence[str]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class MusicianProfileCreated(_ProfileEvent):
    """A profile was created."""


@dataclass(frozen=True, kw_only=True)
class MusicianProfileUpdated(_ProfileEvent):
    """A profile was changed; the event has its new values."""
