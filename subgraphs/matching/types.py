"""The GraphQL types of the matching subgraph.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import strawberry

from subgraphs.kit import budget
from subgraphs.kit.errors import BadUserInput, NotFound
from subgraphs.kit.graphql import enum_type, field_with, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.matching import model
from subgraphs.matching.loaders import MatchingContext
from subgraphs.matching.model import DEFAULT_ALGORITHM
from subgraphs.matching.prices import band_of
from subgraphs.matching.records import AlgorithmRecord, ResultRecord

Info = strawberry.Info[MatchingContext, None]


@enum_type
class PriceBand(enum.Enum):
    """How an hourly rate compares with those of musicians of similar experience in the same currency."""

    BUDGET = "budget"
    STANDARD = "standard"
    PREMIUM = "premium"


@object_type(keys=["id"])
class Musician:
    """A musician, with the price band."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")
    representation: strawberry.Private[dict[str, Any]]

    @field_with(external=True)
    def hourly_rate(self) -> Decimal | None:
        """The price of an hour, which the musicians service resolves."""
        rate = self._external("hourlyRate")
        return None if rate is None else Decimal(rate)

    @field_with(external=True)
    def currency(self) -> str | None:
        """The currency's code, which the musicians service resolves."""
        currency = self._external("currency")
        return None if currency is None else str(currency)

    @field_with(external=True)
    def experience_years(self) -> int | None:
        """Years of experience on stage, which the musicians service resolves."""
        years = self._external("experienceYears")
        return None if years is None else int(years)

    @field_with(requires=["hourlyRate", "currency", "experienceYears"])
    async def price_band(self, info: Info) -> PriceBand | None:
        """Whether the rate is low, usual or high for the experience; null if too few rates can be
        compared.
        """
        rate, years, currency = (
            self._external(name) for name in ("hourlyRate", "experienceYears", "currency")
        )
        if rate is None or years is None or currency is None:
            return None
        index = await info.context.fresh_index()
        band = band_of(index.columns, index.currency(str(currency)), float(rate), int(years))
        return PriceBand(band) if band else None

    def _external(self, name: str) -> Any:
        if name not in self.representation:
            raise BadUserInput(f"The musician's representation must have '{name}'", name)
        return self.representation[name]

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID, **representation: Any) -> "Musician | None":
        """Return the musician with this id, without a check that it exists: the musicians service does it."""
        return cls(id=id, representation=representation) if uuid_of(id) else None


@object_type()
class Match:
    """A musician in the ranking for a request. All scores are from 0 to 100."""

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
    ranking_position: int = strawberry.field(description="The position in the ranking; 1 is the best.")
    is_recommended: bool = strawberry.field(
        description="Whether the total score reaches the algorithm's `recommendedFrom`."
    )
    musician_id: strawberry.Private[UUID]

    @resolver
    def musician(self) -> Musician | None:
        """The ranked musician."""
        return Musician(id=strawberry.ID(str(self.musician_id)), representation={})

    @classmethod
    def of(cls, match: model.Match) -> "Match":
        """Return the GraphQL object of a match in a ranking."""
        return cls(
            total_score=match.total_score,
            skill_score=match.skill_score,
            experience_score=match.experience_score,
            price_score=match.price_score,
            distance_score=match.distance_score,
            distance_km=match.distance_km,
            ranking_position=match.ranking_position,
            is_recommended=match.is_recommended,
            musician_id=match.musician_id,
        )


def matches_of(record: ResultRecord, first: int) -> list[Match]:
    """Return the `first` best musicians of a stored result. Raises BadUserInput, TooManyElements."""
    if not 1 <= first <= model.STORED:
        raise BadUserInput(f"'first' must be from 1 to {model.STORED}, got {first}", "first")
    budget.spend(len(record.musician_scores[:first]))
    return [Match.of(match) for match in msgspec.convert(record.musician_scores[:first], list[model.Match])]


@object_type(keys=["id"])
class MusicianRequest:
    """A request, with its ranking of musicians."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")
    key: strawberry.Private[UUID]

    @field_with(external=True)
    async def title(self, info: Info) -> str | None:
        """The title of the request, from the matching service's copy."""
        request = await info.context.requests.load(self.key)
        if request is None:
            raise NotFound(f"The matching service has not received the request {self.key} yet")
        return str(request.title)

    @field_with(cost=20)
    async def matches(
        self, info: Info, first: int = 10, algorithm: str = DEFAULT_ALGORITHM
    ) -> list[Match] | None:
        """The best `first` musicians, at most 100; null if the matching service has not received the
        request yet.
        """
        record = await info.context.rankings.load((self.key, algorithm))
        return matches_of(record, first) if record is not None else None

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "MusicianRequest | None":
        """Return the request with this id, without a check that it exists: the requests service does it."""
        return cls.of(uuid_of(id))

    @classmethod
    def of(cls, key: UUID | None) -> "MusicianRequest | None":
        """Return the request with this id; None for None."""
        return cls(id=strawberry.ID(str(key)), key=key) if key else None


@object_type()
class AlgorithmWeights:
    """The weights of the scores; only their proportions matter."""

    skill: float = strawberry.field(description="The weight of the skills.")
    experience: float = strawberry.field(description="The weight of the experience.")
    price: float = strawberry.field(description="The weight of the price.")
    distance: float = strawberry.field(description="The weight of the distance.")


@object_type()
class MatchingAlgorithm:
    """An algorithm for ranking musicians."""

    id: strawberry.ID = strawberry.field(description="The id of the algorithm.")
    name: str = strawberry.field(description="The name, to pass as argument `algorithm`.")
    description: str = strawberry.field(description="Which musicians the algorithm prefers.")
    weights: AlgorithmWeights = strawberry.field(description="The weights of the scores.")
    radius_km: float = strawberry.field(
        description="The greatest distance between musician and event in kilometres."
    )
    recommended_from: float = strawberry.field(
        description="The total score from which a musician is recommended."
    )
    is_active: bool = strawberry.field(description="Whether the algorithm can be used for new rankings.")

    @classmethod
    def of(cls, record: AlgorithmRecord) -> "MatchingAlgorithm":
        """Return the GraphQL object of a record."""
        parameters = model.parameters_of(record.parameters)
        weights = parameters.weights
        return cls(
            id=strawberry.ID(str(record.id)),
            name=record.name,
            description=record.description,
            weights=AlgorithmWeights(
                skill=weights.skill,
                experience=weights.experience,
                price=weights.price,
                distance=weights.distance,
            ),
            radius_km=parameters.radius_km,
            recommended_from=parameters.recommended_from,
            is_active=record.is_active,
        )


@object_type()
class MatchingResult:
    """A stored ranking; for the client of the request and admins."""

    id: strawberry.ID = strawberry.field(description="The id of the result.")
    candidates: int = strawberry.field(
        description="The number of musicians within the radius who have one of the skills."
    )
    execution_time_ms: float = strawberry.field(description="The duration of the ranking in milliseconds.")
    cache_hit: bool = strawberry.field(
        description="Whether an earlier ranking was reused because its inputs had not changed."
    )
    created_at: datetime = strawberry.field(description="When the ranking was made.")
    record: strawberry.Private[ResultRecord]

    @field_with(provides=["title"])
    def request(self) -> MusicianRequest | None:
        """The request for which musicians were ranked."""
        return MusicianRequest.of(self.record.request_id)

    @resolver
    async def algorithm(self, info: Info) -> MatchingAlgorithm | None:
        """The algorithm of the ranking."""
        record = await info.context.algorithms.load(self.record.algorithm_id)
        return MatchingAlgorithm.of(record) if record is not None else None

    @resolver
    def matches(self, first: int = 10) -> list[Match]:
        """The best `first` musicians, at most 100."""
        return matches_of(self.record, first)

    @classmethod
    def of(cls, record: ResultRecord) -> "MatchingResult":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            candidates=record.candidates,
            execution_time_ms=record.execution_time_ms,
            cache_hit=record.cache_hit,
            created_at=record.created_at,
            record=record,
        )
