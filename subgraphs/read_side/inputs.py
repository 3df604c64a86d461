"""The GraphQL enums and inputs of the read side's queries, and the checks that convert them to criteria."""

import enum
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.geography import Circle
from subgraphs.kit.graphql import enum_type, input_type
from subgraphs.read_side.store import MusicianCriteria, RequestCriteria

MAX_SKILLS = 30


@enum_type
class ListingOrder(enum.Enum):
    """The order of a list of musicians."""

    RATING = "rating"
    NEWEST = "newest"
    RATE_ASC = "rate_asc"
    RATE_DESC = "rate_desc"


@enum_type
class RequestListingOrder(enum.Enum):
    """The order of a list of requests."""

    SOONEST = "soonest"
    NEWEST = "newest"


@enum_type
class RequestStatus(enum.Enum):
    """The status of a request."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    ASSIGNED = "assigned"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@enum_type
class UrgencyLevel(enum.Enum):
    """How soon the client needs applications."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


@input_type
class CircleInput:
    """A circle around a point."""

    latitude: float = strawberry.field(description="Degrees north, -90 to 90.")
    longitude: float = strawberry.field(description="Degrees east, -180 to 180.")
    km: float = strawberry.field(default=50.0, description="The radius in kilometres.")

    def read(self) -> Circle:
        """Return the checked circle. Raises BadUserInput."""
        fields = ("near.latitude", "near.longitude", "near.km")
        return Circle.read(self.latitude, self.longitude, self.km, fields)


def musician_criteria(
    text: str | None,
    skill_ids: Sequence[str] | None,
    min_rating: float | None,
    max_hourly_rate: Decimal | None,
    city: str | None,
    available_only: bool,
    near: CircleInput | None,
) -> MusicianCriteria:
    """Return the checked arguments of `findMusicians` as criteria. Raises BadUserInput."""
    return MusicianCriteria(
        text=checks.optional_text(text, "text", 200),
        skill_ids=checks.identifiers(skill_ids or (), "skillIds", MAX_SKILLS),
        min_rating=None if min_rating is None else checks.decimal(min_rating, "minRating", 1, 5),
        max_hourly_rate=None if max_hourly_rate is None else checks.money(max_hourly_rate, "maxHourlyRate"),
        city=checks.optional_text(city, "city", 100),
        available_only=available_only,
        near=near.read() if near else None,
    )


def request_criteria(
    text: str | None,
    skill_ids: Sequence[str] | None,
    status: Sequence[RequestStatus] | None,
    starts_from: datetime | None,
    starts_to: datetime | None,
    near: CircleInput | None,
) -> RequestCriteria:
    """Return the checked arguments of `findRequests` as criteria. Raises BadUserInput."""
    earliest, latest = checks.period(starts_from, starts_to, ("startsFrom", "startsTo"))
    return RequestCriteria(
        text=checks.optional_text(text, "text", 200),
        skill_ids=checks.identifiers(skill_ids or (), "skillIds", MAX_SKILLS),
        statuses=tuple(dict.fromkeys(one.value for one in status or ())),
        starts_from=earliest,
        starts_to=latest,
        near=near.read() if near else None,
    )
