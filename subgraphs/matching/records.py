"""The records of the matching service: frozen dataclasses with the columns of its tables.

The functions of `store` and the RecordTables in `tables` return them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmRecord:
    """A row of the table `matching_algorithms`; `parameters` is an encoded `model.Parameters`."""

    id: UUID
    name: str
    description: str
    parameters: Mapping[str, Any]
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """A stored ranking; `musician_scores` are encoded `model.Match` values, the best first.

    `request_position`, `algorithm_version` and `musicians_version` are the versions of the ranking's inputs.
    """

    id: UUID
    request_id: UUID
    algorithm_id: UUID
    musician_scores: Sequence[Mapping[str, Any]]
    candidates: int
    request_position: int
    algorithm_version: datetime
    musicians_version: int
    execution_time_ms: float
    cache_hit: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicianCopy:
    """The copy of a musician's profile; `position` and `version` are those of its last event."""

    musician_id: UUID
    user_id: UUID
    stage_name: str
    hourly_rate: Decimal
    currency: str
    experience_years: int
    latitude: float | None
    longitude: float | None
    skill_ids: Sequence[UUID]
    position: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCopy:
    """The copy of a client's request; `position` and `version` are those of its last event."""

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
    skill_ids: Sequence[UUID]
    position: int
    version: int
