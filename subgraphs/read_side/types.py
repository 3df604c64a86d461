"""The GraphQL types of the read side's lists, made from records of the read models or command side responses.

The entities belong to other services. The lists provide the fields that a read model has (@provides), so that
the gateway asks the owner only for other ones. A caller sees the same values from both sources.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from subgraphs.kit.graphql import REFERENCE, object_type
from subgraphs.kit.match_scores import MatchScores
from subgraphs.kit.money import Money
from subgraphs.kit.places import EventPlace, MusicianLocation
from subgraphs.kit.records import values_of
from subgraphs.kit.vocabulary import RequestStatus, UrgencyLevel
from subgraphs.read_side.nodes import OWNERS, Node, reference
from subgraphs.read_side.records import ActiveSummary, ListedMusician, ListedRequest, RankedRecord

LISTED_MUSICIAN = (
    "stageName bio hourlyRate { amount currency } experienceYears createdAt rating totalReviews"
    " location { latitude longitude address city country } skills { uuid }"
)
"""The fields of a musician that the read models have."""
LISTED_REQUEST = (
    "title description status urgencyLevel startsAt endsAt timeZone createdAt"
    " budgetMin { amount currency } budgetMax { amount currency }"
    " location { latitude longitude address city country } requiredSkills { uuid } client { uuid }"
)
"""The fields of a request that the read models have."""


def _external(description: str) -> Any:
    return strawberry.federation.field(default=None, external=True, description=description)


@object_type(keys=[REFERENCE])
class User(Node):
    """A user, of whom this subgraph has the id only."""

    uuid: strawberry.ID


@object_type(keys=[REFERENCE])
class Skill(Node):
    """A skill, of which this subgraph has the id only."""

    uuid: strawberry.ID


@object_type(keys=[REFERENCE])
class Musician(Node):
    """A musician, with the fields of the read model where a list provides them."""

    uuid: strawberry.ID
    stage_name: str = _external("The stage name.")
    bio: str = _external("The musician's self-description.")
    hourly_rate: Money = _external("The price of an hour.")
    experience_years: int = _external("Years of experience on stage.")
    created_at: datetime = _external("When the profile was created.")
    rating: float = _external("The mean of all ratings, 1 to 5; null without reviews.")
    total_reviews: int = _external("The number of reviews.")
    location: MusicianLocation | None = _external("The place where the musician lives.")
    skills: list[Skill] = _external("The musician's instruments, genres and styles.")

    @classmethod
    def of(cls, record: ListedMusician) -> "Musician":
        """Return the GraphQL object of a record; the rating is rounded as in the service `reviews`."""
        same = "stage_name bio experience_years created_at total_reviews"
        rating = round(record.rating_sum / record.total_reviews, 2) if record.total_reviews else None
        return cls(
            **{**values_of(record, *same.split()), "rating": rating},
            uuid=strawberry.ID(str(record.musician_id)),
            hourly_rate=Money.of(record.hourly_rate, record.currency),
            location=MusicianLocation.of(record),
            skills=_skills(record.skill_ids),
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any], reputation: Mapping[str, Any]) -> "Musician":
        """Return the GraphQL object for a musician in responses of the command side.

        `node` is from the service `musicians`, `reputation` from `reviews`.
        """
        fields: dict[str, Any] = {
            "stage_name": node["stageName"],
            "bio": node["bio"],
            "experience_years": node["experienceYears"],
            "created_at": datetime.fromisoformat(node["createdAt"]),
            "rating": reputation.get("rating"),
            "total_reviews": reputation.get("totalReviews") or 0,
        }
        return cls(
            **fields,
            uuid=strawberry.ID(node["uuid"]),
            hourly_rate=_money(node["hourlyRate"]),
            location=MusicianLocation(**node["location"]) if node["location"] else None,
            skills=_skills(sorted(skill["uuid"] for skill in node["skills"] or ())),
        )


@object_type(keys=[REFERENCE])
class MusicianRequest(Node):
    """A request, with the fields of the read model where a list provides them."""

    uuid: strawberry.ID
    title: str = _external("The title of the request.")
    description: str = _external("A longer description.")
    status: RequestStatus = _external("The status of the request.")
    urgency_level: UrgencyLevel = _external("How soon the client needs applications.")
    starts_at: datetime = _external("When the event starts, in UTC.")
    ends_at: datetime = _external("When the event ends, in UTC.")
    time_zone: str = _external("The IANA time zone of the event's place.")
    created_at: datetime = _external("When the request was published.")
    budget_min: Money = _external("The lowest price for the whole event.")
    budget_max: Money = _external("The highest price for the whole event.")
    location: EventPlace = _external("The place of the event.")
    required_skills: list[Skill] = _external("The skills that the musician must have.")
    client: User = _external("The client who published the request.")

    @classmethod
    def of(cls, record: ListedRequest) -> "MusicianRequest":
        """Return the GraphQL object of a record."""
        same = "title description starts_at ends_at time_zone created_at"
        return cls(
            **values_of(record, *same.split()),
            uuid=strawberry.ID(str(record.request_id)),
            status=RequestStatus(record.status),
            urgency_level=UrgencyLevel(record.urgency_level),
            budget_min=Money.of(record.budget_min, record.currency),
            budget_max=Money.of(record.budget_max, record.currency),
            location=EventPlace.of(record),
            required_skills=_skills(record.required_skill_ids),
            client=User(uuid=strawberry.ID(str(record.client_id))),
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any]) -> "MusicianRequest":
        """Return the GraphQL object for a request in a response of the service `requests`."""
        return cls(
            starts_at=datetime.fromisoformat(node["startsAt"]),
            ends_at=datetime.fromisoformat(node["endsAt"]),
            created_at=datetime.fromisoformat(node["createdAt"]),
            uuid=strawberry.ID(node["uuid"]),
            title=node["title"],
            description=node["description"],
            time_zone=node["timeZone"],
            status=RequestStatus[node["status"]],
            urgency_level=UrgencyLevel[node["urgencyLevel"]],
            budget_min=_money(node["budgetMin"]),
            budget_max=_money(node["budgetMax"]),
            location=EventPlace(**node["location"]),
            required_skills=_skills([skill["uuid"] for skill in node["requiredSkills"] or ()]),
            client=User(uuid=strawberry.ID(node["client"]["uuid"])),
        )


def _money(given: Mapping[str, Any]) -> Money:
    return Money.of(Decimal(given["amount"]), given["currency"])


def _skills(ids: Any) -> list[Skill]:
    return [Skill(uuid=strawberry.ID(str(key))) for key in ids]


@object_type(shareable=True)
class Match(MatchScores):
    """A musician in the ranking for a request. All scores are from 0 to 100."""

    musician: Musician | None = strawberry.field(description="The ranked musician.")

    @classmethod
    def of(cls, record: RankedRecord) -> "Match":
        """Return the GraphQL object of a record."""
        scores = "total_score skill_score experience_score price_score distance_score distance_km"
        return cls(
            **values_of(record, *scores.split(), "ranking_position", "is_recommended"),
            musician=Musician(uuid=strawberry.ID(str(record.musician_id))),
        )

    @classmethod
    def of_node(cls, node: Mapping[str, Any]) -> "Match":
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
            musician=Musician(uuid=strawberry.ID(node["musician"]["uuid"])),
        )


@object_type()
class ActiveRequests:
    """A summary of the requests with one status and one currency."""

    status: RequestStatus = strawberry.field(description="OPEN or IN_PROGRESS.")
    requests: int = strawberry.field(description="The number of requests.")
    mean_age_days: float = strawberry.field(description="The mean time since their publication, in days.")
    mean_budget_min: Money = strawberry.field(description="The mean of `budgetMin`.")
    mean_budget_max: Money = strawberry.field(description="The mean of `budgetMax`.")

    @classmethod
    def of(cls, record: ActiveSummary) -> "ActiveRequests":
        """Return the GraphQL object of a record."""
        return cls(
            status=RequestStatus(record.status),
            **values_of(record, "requests", "mean_age_days"),
            mean_budget_min=Money.of(record.mean_budget_min, record.currency),
            mean_budget_max=Money.of(record.mean_budget_max, record.currency),
        )


OWN_TYPES = {cls.__name__: cls for cls in (User, Skill, Musician, MusicianRequest)}
NODE_TYPES: Mapping[str, Any] = {kind: OWN_TYPES.get(kind) or reference(kind) for kind in OWNERS}
"""The classes of all types that `node` returns, by the name of the type."""
