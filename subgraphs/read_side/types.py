"""The types of the read side's listings. What is shown of whom is what the command side shows, too."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import Row

from subgraphs.kit.graphql import REFERENCE, object_type, resolver
from subgraphs.read_side.inputs import RequestStatus, UrgencyLevel
from subgraphs.read_side.routing import Info


@object_type(keys=[REFERENCE])
class Musician:
    """A musician, of whom only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """A request, of which only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")


@object_type(keys=[REFERENCE])
class User:
    """A user, of whom only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The user's id.")


@object_type(keys=[REFERENCE])
class Skill:
    """A skill, of which only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The id of the skill.")


def _skills(ids: Any) -> list[Skill]:
    return [Skill(id=strawberry.ID(str(key))) for key in ids]


@object_type()
class MusicianListing:
    """A musician as found in the directory."""

    stage_name: str = strawberry.field(description="The name on the poster.")
    bio: str = strawberry.field(description="What they tell about themselves.")
    hourly_rate: Decimal = strawberry.field(description="What an hour costs, in `currency`.")
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    experience_years: int = strawberry.field(description="Years on stage.")
    latitude: float | None = strawberry.field(description="Degrees north of where they live.")
    longitude: float | None = strawberry.field(description="Degrees east of where they live.")
    city: str | None = strawberry.field(description="The city they live in.")
    country: str | None = strawberry.field(description="The country's code of two letters.")
    rating: float | None = strawberry.field(
        description="The mean of all ratings, 1 to 5; null without reviews."
    )
    total_reviews: int = strawberry.field(description="How many reviews there are.")
    last_active: datetime | None = strawberry.field(
        description="The newest event about the profile, an application or a booking; null where the command side answers."
    )
    is_available: bool | None = strawberry.field(
        description="Whether the account is open; null where the command side answers."
    )
    created_at: datetime = strawberry.field(description="When the profile was made.")
    key: strawberry.Private[str]
    skill_ids: strawberry.Private[Any]

    @resolver
    def musician(self) -> Musician | None:
        """Who it is."""
        return Musician(id=strawberry.ID(self.key))

    @resolver
    def skills(self) -> list[Skill] | None:
        """Their instruments, genres and styles."""
        return _skills(self.skill_ids)

    @classmethod
    def of(cls, row: Row[Any]) -> "MusicianListing":
        """The listing of a row; the rating is rounded as the reviews service does."""
        same = "bio hourly_rate currency experience_years latitude longitude city country last_active is_available"
        return cls(
            **{
                name: getattr(row, name)
                for name in (*same.split(), "stage_name", "total_reviews", "created_at")
            },
            rating=round(row.rating_sum / row.total_reviews, 2) if row.total_reviews else None,
            key=str(row.musician_id),
            skill_ids=row.skill_ids,
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any], reputation: Mapping[str, Any]) -> "MusicianListing":
        """The listing of what the musicians and reviews services answered."""
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
    """A request as found in the directory."""

    title: str = strawberry.field(description="What is looked for, in a line.")
    description: str = strawberry.field(description="The same at length.")
    status: RequestStatus = strawberry.field(description="Where the request stands.")
    urgency_level: UrgencyLevel = strawberry.field(description="How soon the client needs an answer.")
    starts_at: datetime = strawberry.field(description="When the event begins, in UTC.")
    ends_at: datetime = strawberry.field(description="When the event ends, in UTC.")
    time_zone: str = strawberry.field(description="The place's IANA time zone.")
    budget_min: Decimal = strawberry.field(
        description="The least that the client would pay for the whole event."
    )
    budget_max: Decimal = strawberry.field(
        description="The most that the client would pay for the whole event."
    )
    currency: str = strawberry.field(description="The currency's ISO code.")
    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")
    city: str = strawberry.field(description="The city.")
    country: str = strawberry.field(description="The country's code of two letters.")
    client_name: str | None = strawberry.field(description="The client's name on the platform.")
    created_at: datetime = strawberry.field(description="When it was published.")
    key: strawberry.Private[str]
    client_id: strawberry.Private[UUID]
    skill_ids: strawberry.Private[Any]
    applications: strawberry.Private[int | None]

    @resolver
    def request(self) -> MusicianRequest | None:
        """Which request it is."""
        return MusicianRequest(id=strawberry.ID(self.key))

    @resolver
    def client(self) -> User | None:
        """Who looks for a musician."""
        return User(id=strawberry.ID(str(self.client_id)))

    @resolver
    def required_skills(self) -> list[Skill] | None:
        """What the musician must be able to do."""
        return _skills(self.skill_ids)

    @resolver
    def total_applications(self, info: Info) -> int | None:
        """How many have applied, those who were turned down too; for the client, null for others."""
        identity = info.context.identity
        return (
            self.applications if identity is not None and identity.is_owner_or_admin(self.client_id) else None
        )

    @classmethod
    def of(cls, row: Row[Any]) -> "RequestListing":
        """The listing of a row."""
        same = "title description starts_at ends_at time_zone budget_min budget_max currency latitude longitude city"
        return cls(
            **{
                name: getattr(row, name) for name in (*same.split(), "client_name", "created_at", "client_id")
            },
            country=row.country.strip(),
            status=RequestStatus(row.status),
            urgency_level=UrgencyLevel(row.urgency_level),
            key=str(row.request_id),
            skill_ids=row.required_skill_ids,
            applications=row.total_applications,
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any], client_name: str | None) -> "RequestListing":
        """The listing of what the requests and users services answered."""
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

    ranking_position: int = strawberry.field(description="1 is the best.")
    total_score: float = strawberry.field(description="The weighted mean of the scores below.")
    skill_score: float = strawberry.field(description="How many of the required skills the musician has.")
    experience_score: float = strawberry.field(description="Years on stage, up to ten.")
    price_score: float = strawberry.field(description="The cost of the event against its budget.")
    distance_score: float = strawberry.field(description="How near the musician lives.")
    distance_km: float = strawberry.field(description="The way to the event as the crow flies.")
    is_recommended: bool = strawberry.field(
        description="Whether the total reaches what the algorithm recommends."
    )
    key: strawberry.Private[str]

    @resolver
    def musician(self) -> Musician | None:
        """Who it is."""
        return Musician(id=strawberry.ID(self.key))

    @classmethod
    def of(cls, row: Row[Any]) -> "RankedMusician":
        """Return the GraphQL type of a row."""
        scores = "total_score skill_score experience_score price_score distance_score distance_km"
        return cls(
            **{name: getattr(row, name) for name in (*scores.split(), "ranking_position", "is_recommended")},
            key=str(row.musician_id),
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any]) -> "RankedMusician":
        """The type of what the matching service answered."""
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
    """The requests of a status and a currency that look for somebody."""

    status: RequestStatus = strawberry.field(description="Open, or in progress: musicians have applied.")
    currency: str = strawberry.field(
        description="The currency of the budgets; others have no mean with them."
    )
    requests: int = strawberry.field(description="How many there are.")
    mean_age_days: float = strawberry.field(description="How long ago they were published, on average.")
    mean_budget_min: Decimal = strawberry.field(description="The mean of the least that clients would pay.")
    mean_budget_max: Decimal = strawberry.field(description="The mean of the most that clients would pay.")

    @classmethod
    def of(cls, row: Row[Any]) -> "ActiveRequests":
        """Return the GraphQL type of a row."""
        same = "currency requests mean_age_days mean_budget_min mean_budget_max"
        return cls(status=RequestStatus(row.status), **{name: getattr(row, name) for name in same.split()})
