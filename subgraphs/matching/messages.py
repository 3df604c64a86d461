"""Commands and events of the matching service, and the fields that it reads from other services' events.

The classes whose names end with Facts have those fields, which `handlers` stores as copies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

import msgspec

from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Event


@dataclass(frozen=True, kw_only=True)
class FindMatches(Command[UUID]):
    """Rank the musicians for a request; returns the id of the stored result.

    `force_refresh`: compute a ranking even if a stored one could be reused. `result_id`: the id for the
    result.
    """

    by: Identity
    request_id: UUID
    algorithm: str
    force_refresh: bool = False
    result_id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, kw_only=True)
class MatchesRanked(Event):
    """A ranking was computed for a request; `matches` are its best musicians, each an encoded `model.Match`.

    The aggregate is the ranking, which never changes. If a request has several rankings, only that with the
    newest `ranked_at` is valid. `candidates`: the number of all musicians that were ranked.
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
    """The fields that this service stores from events about musicians' profiles."""

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
    """The fields that this service stores from events about requests."""

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
