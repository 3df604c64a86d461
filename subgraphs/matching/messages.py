"""Orders to the matching service, what it tells the others, and what it reads in their events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Event


@dataclass(frozen=True, kw_only=True)
class FindMatches(Command[UUID]):
    """Rank the musicians for a request; returns the id of the stored result."""

    by: Identity
    request_id: UUID
    algorithm: str
    force_refresh: bool = False


@dataclass(frozen=True, kw_only=True)
class MatchesRanked(Event):
    """Musicians were ranked anew for a request; `matches` are the best of them, as `model.Match` writes them.

    An aggregate is one ranking, which never changes; the newest `ranked_at` of a request is the one that
    counts.
    """

    aggregate_type: ClassVar[str] = "matching_result"
    aggregate_key: ClassVar[str] = "result_id"
    result_id: UUID
    request_id: UUID
    client_id: UUID
    algorithm: str
    is_default: bool
    candidates: int
    ranked_at: datetime
    matches: Sequence[Mapping[str, Any]]


class MusicianFacts(msgspec.Struct, frozen=True):
    """A musician, as the musicians' events tell it."""

    musician_id: UUID
    user_id: UUID
    stage_name: str
    hourly_rate: Decimal
    experience_years: int
    latitude: float | None
    longitude: float | None
    skill_ids: tuple[UUID, ...]
    currency: str = "EUR"


class RequestFacts(msgspec.Struct, frozen=True):
    """A request, as the requests' events tell it."""

    request_id: UUID
    client_id: UUID
    title: str
    status: str
    latitude: float
    longitude: float
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    budget_min: Decimal
    budget_max: Decimal
    currency: str
    urgency_level: str
    skill_ids: tuple[UUID, ...]
