"""The GraphQL types of the read side's lists, made from records of the read models or command side responses.

A caller sees the same values from both sources. For example, `totalApplications` is null for all callers but
the client of the request and admins.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry

from subgraphs.kit.graphql import REFERENCE, object_type, resolver
from subgraphs.kit.records import values_of
from subgraphs.read_side.inputs import RequestStatus, UrgencyLevel
from subgraphs.read_side.records import ActiveSummary, ListedMusician, ListedRequest, RankedRecord
from subgraphs.read_side.routing import Info


@object_type(keys=[REFERENCE])
class Musician:
    """A musician, of whom this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """A request, of which this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")


@object_type(keys=[REFERENCE])
class User:
    """A user, of whom this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The user's id.")


@object_type(keys=[REFERENCE])
class Skill:
    """A skill, of which this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The id of the skill.")


def _skills(ids: Any) -> list[Skill]:
    return [Skill(id=strawberry.ID(str(key))) for key in ids]


@object_type()
class MusicianListing:
    """A musician in a list."""

    stage_name: str = strawberry.field(description="The stage name.")
    bio: str = strawberry.field(description="The musician's self-description.")
    hourly_rate: Decimal = strawberry.field(description="The price of an hour, in `currency`.")
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    experience_years: int = strawberry.field(description="Years of experience on stage.")
    latitude: float | None = strawberry.field(description="The latitude of the musician's home.")
    longitude: float | None = strawberry.field(description="The longitude of the musician's home.")
    city: str | None = strawberry.field(description="The city where the musician lives.")
    country: str | None = strawberry.field(description="The country's code of two letters.")
    rating: float | None = strawberry.field(
        description="The mean of all ratings, 1 to 5; null without reviews."
    )
    total_reviews: int = strawberry.field(description="The number of reviews.")
    last_active: datetime | None = strawberry.field(
        description="The newest change of the profile, an application or a booking; "
        "null from the command side."
    )
    is_available: bool | None = strawberry.field(
        description="Whether the account is active; null if the data come from the command side."
    )
    created_at: datetime = strawberry.field(description="When the profile was created.")
    key: strawberry.Private[str]
    skill_ids: strawberry.Private[Any]

    @resolver
    def musician(self) -> Musician | None:
        """The listed musician."""
        return Musician(id=strawberry.ID(self.key))

    @resolver
    def skills(self) -> list[Skill] | None:
        """The musician's instruments, genres and styles."""
        return _skills(self.skill_ids)

    @classmethod
    def of(cls, record: ListedMusician) -> "MusicianListing":
        """Return the GraphQL object of a record; the rating is rounded as in the service `reviews`."""
        same = (
            "bio hourly_rate currency experience_years latitude longitude city country"
            " last_active is_available"
        )
        return cls(
            **values_of(record, *same.split(), "stage_name", "total_reviews", "created_at"),
            rating=round(record.rating_sum / record.total_reviews, 2) if record.total_reviews else None,
            key=str(record.musician_id),
            skill_ids=record.skill_ids,
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any], reputation: Mapping[str, Any]) -> "MusicianListing":
        """Return the GraphQL object for a musician in responses of the command side.

        `node` is from the service `musicians`, `reputation` from `reviews`.
        """
        place = node["location"] or {}
        return cls(
            stage_name=node["stageName"],
            bio=node["bio"],
            hourly_rate=Decimal(node["hourlyRate"]),
            currency=node["currency"],
            experience_years=node["experienceYears"],
            **{name: place.get(name) for name in ("latitude", "longitude", "city", "country")},
            rating=reputation.get("rating"),
            total_reviews=reputation.get("totalReviews") or 0,
            last_active=None,
            is_available=None,
            created_at=datetime.fromisoformat(node["createdAt"]),
            key=node["id"],
            skill_ids=sorted(skill["id"] for skill in node["skills"] or ()),
        )


@object_type()
class RequestListing:
    """A request in a list."""

    title: str = strawberry.field(description="The title of the request.")
    description: str = strawberry.field(description="A longer description.")
    status: RequestStatus = strawberry.field(description="The status of the request.")
    urgency_level: UrgencyLevel = strawberry.field(description="How soon the client needs applications.")
    starts_at: datetime = strawberry.field(description="When the event starts, in UTC.")
    ends_at: datetime = strawberry.field(description="When the event ends, in UTC.")
    time_zone: str = strawberry.field(description="The IANA time zone of the event's place.")
    budget_min: Decimal = strawberry.field(description="The lowest price for the whole event.")
    budget_max: Decimal = strawberry.field(description="The highest price for the whole event.")
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")
    city: str = strawberry.field(description="The city.")
    country: str = strawberry.field(description="The country's code of two letters.")
    client_name: str | None = strawberry.field(description="The client's user name.")
    created_at: datetime = strawberry.field(description="When the request was published.")
    key: strawberry.Private[str]
    client_id: strawberry.Private[UUID]
    skill_ids: strawberry.Private[Any]
    applications: strawberry.Private[int | None]

    @resolver
    def request(self) -> MusicianRequest | None:
        """The listed request."""
        return MusicianRequest(id=strawberry.ID(self.key))

    @resolver
    def client(self) -> User | None:
        """The client who published the request."""
        return User(id=strawberry.ID(str(self.client_id)))

    @resolver
    def required_skills(self) -> list[Skill] | None:
        """The skills that the musician must have."""
        return _skills(self.skill_ids)

    @resolver
    def total_applications(self, info: Info) -> int | None:
        """The number of applications, including rejected ones; null for callers other than the client and
        admins.
        """
        identity = info.context.identity
        return (
            self.applications if identity is not None and identity.is_owner_or_admin(self.client_id) else None
        )

    @classmethod
    def of(cls, record: ListedRequest) -> "RequestListing":
        """Return the GraphQL object of a record."""
        same = (
            "title description starts_at ends_at time_zone budget_min budget_max currency"
            " latitude longitude city"
        )
        return cls(
            **values_of(record, *same.split(), "client_name", "created_at", "client_id"),
            country=record.country.strip(),
            status=RequestStatus(record.status),
            urgency_level=UrgencyLevel(record.urgency_level),
            key=str(record.request_id),
            skill_ids=record.required_skill_ids,
            applications=record.total_applications,
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any], client_name: str | None) -> "RequestListing":
        """Return the GraphQL object for a request in a response of the service `requests`.

        `client_name` is from the service `users`.
        """
        place = node["location"]
        return cls(
            title=node["title"],
            description=node["description"],
            status=RequestStatus[node["status"]],
            urgency_level=UrgencyLevel[node["urgencyLevel"]],
            starts_at=datetime.fromisoformat(node["startsAt"]),
            ends_at=datetime.fromisoformat(node["endsAt"]),
            time_zone=node["timeZone"],
            budget_min=Decimal(node["budgetMin"]),
            budget_max=Decimal(node["budgetMax"]),
            currency=node["currency"],
            **{name: place[name] for name in ("latitude", "longitude", "city", "country")},
            client_name=client_name,
            created_at=datetime.fromisoformat(node["createdAt"]),
            key=node["id"],
            client_id=UUID(node["client"]["id"]),
            skill_ids=[skill["id"] for skill in node["requiredSkills"] or ()],
            applications=(node.get("applications") or {}).get("totalCount"),
        )


@object_type()
class RankedMusician:
    """A musician in the ranking for a request. All scores are from 0 to 100."""

    ranking_position: int = strawberry.field(description="The position in the ranking; 1 is the best.")
    total_score: float = strawberry.field(description="The weighted mean of the scores below.")
    skill_score: float = strawberry.field(
        description="The percentage of the required skills that the musician has."
    )
    experience_score: float = strawberry.field(
        description="40 plus 6 for each year of experience, up to ten years."
    )
    price_score: float = strawberry.field(
        description="The event's cost at the musician's rate compared with the budget: 100 is cheap."
    )
    distance_score: float = strawberry.field(
        description="100 at the place of the event, 0 at the algorithm's radius."
    )
    distance_km: float = strawberry.field(
        description="The distance from the musician's home to the event in kilometres."
    )
    is_recommended: bool = strawberry.field(
        description="Whether the total score reaches the algorithm's `recommendedFrom`."
    )
    key: strawberry.Private[str]

    @resolver
    def musician(self) -> Musician | None:
        """The ranked musician."""
        return Musician(id=strawberry.ID(self.key))

    @classmethod
    def of(cls, record: RankedRecord) -> "RankedMusician":
        """Return the GraphQL object of a record."""
        scores = "total_score skill_score experience_score price_score distance_score distance_km"
        return cls(
            **values_of(record, *scores.split(), "ranking_position", "is_recommended"),
            key=str(record.musician_id),
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any]) -> "RankedMusician":
        """Return the GraphQL object for a ranked musician in a response of the service `matching`."""
        return cls(
            ranking_position=node["rankingPosition"],
            total_score=node["totalScore"],
            skill_score=node["skillScore"],
            experience_score=node["experienceScore"],
            price_score=node["priceScore"],
            distance_score=node["distanceScore"],
            distance_km=node["distanceKm"],
            is_recommended=node["isRecommended"],
            key=node["musician"]["id"],
        )


@object_type()
class ActiveRequests:
    """A summary of the requests with one status and one currency."""

    status: RequestStatus = strawberry.field(description="OPEN or IN_PROGRESS.")
    currency: str = strawberry.field(description="The currency of the budgets.")
    requests: int = strawberry.field(description="The number of requests.")
    mean_age_days: float = strawberry.field(description="The mean time since their publication, in days.")
    mean_budget_min: Decimal = strawberry.field(description="The mean of `budgetMin`.")
    mean_budget_max: Decimal = strawberry.field(description="The mean of `budgetMax`.")

    @classmethod
    def of(cls, record: ActiveSummary) -> "ActiveRequests":
        """Return the GraphQL object of a record."""
        same = "currency requests mean_age_days mean_budget_min mean_budget_max"
        return cls(status=RequestStatus(record.status), **values_of(record, *same.split()))
