"""The records of the read models: dataclasses with the columns that queries see; `store` returns them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMusician:
    """A row of the read model of musicians; `rating_order` is the rating, or 0 without reviews."""

    musician_id: UUID
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
    skill_ids: Sequence[UUID]
    skills: Sequence[str]
    rating_sum: int
    total_reviews: int
    rating: Decimal | None
    rating_order: Decimal
    last_active: datetime | None
    is_active: bool
    is_available: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRequest:
    """A row of the read model of requests; `client_name` None: the user's event has not arrived."""

    request_id: UUID
    client_id: UUID
    client_name: str | None
    title: str
    description: str
    event_date: date
    start_time: time
    end_time: time
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    budget_min: Decimal
    budget_max: Decimal
    currency: str
    latitude: float
    longitude: float
    address: str
    city: str
    country: str
    required_skill_ids: Sequence[UUID]
    required_skills: Sequence[str]
    status: str
    urgency_level: str
    created_at: datetime
    total_applications: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedRecord:
    """One musician in the ranking for a request."""

    request_id: UUID
    musician_id: UUID
    total_score: float
    skill_score: float
    experience_score: float
    price_score: float
    distance_score: float
    distance_km: float
    is_recommended: bool
    ranking_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveSummary:
    """The number of requests with one status and currency, their mean age in days, and their mean budgets."""

    status: str
    currency: str
    requests: int
    mean_age_days: float
    mean_budget_min: Decimal
    mean_budget_max: Decimal
