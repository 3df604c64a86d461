"""Orders to the matching service, and what it reads in the events of others."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command


@dataclass(frozen=True, kw_only=True)
class FindMatches(Command[UUID]):
    """Rank the musicians for a request; answers the id of the stored result."""

    by: Identity
    request_id: UUID
    algorithm: str
    force_refresh: bool = False


class MusicianFacts(msgspec.Struct, frozen=True):
    """A musician, as the musicians' events tell it."""

    musician_id: UUID
    user_id: UUID
    stage_name: str
    hourly_rate: Decimal
    experience_years: int
    latitude: float | None
    longitude: float | None
    skill_ids: list[UUID]
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
    skill_ids: list[UUID]
