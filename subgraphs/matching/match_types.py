"""The GraphQL type of a musician in a ranking, and the reference to the musician with the price band.

The read side declares `Match`, too; both classes have their fields from `kit/match_scores`.
"""

import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry

from subgraphs.kit.cache_hints import public
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import enum_type, enum_value, field_with, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.match_scores import MatchScores
from subgraphs.kit.money import Money
from subgraphs.matching import model
from subgraphs.matching.loaders import MatchingContext
from subgraphs.matching.prices import band_of

Info = strawberry.Info[MatchingContext, None]


@enum_type
class PriceBand(enum.Enum):
    """How an hourly rate compares with those of musicians of similar experience in the same currency."""

    BUDGET = enum_value("budget", "Less than 33 % of these musicians have a lower rate.")
    STANDARD = enum_value("standard", "33 % to 75 % of these musicians have a lower rate.")
    PREMIUM = enum_value("premium", "At least 75 % of these musicians have a lower rate.")


@object_type(keys=["uuid"])
class Musician:
    """A musician, with the price band."""

    uuid: strawberry.ID
    representation: strawberry.Private[dict[str, Any]]

    @field_with(external=True)
    def hourly_rate(self) -> Money | None:
        """The price of an hour."""
        rate = self._external("hourlyRate")
        return None if rate is None else Money.of(Decimal(rate["amount"]), rate["currency"])

    @field_with(external=True)
    def experience_years(self) -> int | None:
        """Years of experience on stage."""
        years = self._external("experienceYears")
        return None if years is None else int(years)

    @field_with(requires=["hourlyRate { amount currency } experienceYears"], cached=public(60))
    async def price_band(self, info: Info) -> PriceBand | None:
        """Whether the rate is low, usual or high for the experience; null if too few rates can be
        compared.
        """
        rate, years = self._external("hourlyRate"), self._external("experienceYears")
        if rate is None or years is None:
            return None
        index = await info.context.fresh_index()
        currency = index.currency(str(rate["currency"]))
        band = band_of(index.columns, currency, float(rate["amount"]), int(years))
        return PriceBand(band) if band else None

    def _external(self, name: str) -> Any:
        if name not in self.representation:
            raise BadUserInput(f"The musician's representation must have '{name}'", name)
        return self.representation[name]

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID, **representation: Any) -> "Musician | None":
        """Return the musician with this id, without a check that it exists: the musicians service does it."""
        return cls(uuid=uuid, representation=representation) if uuid_of(uuid) else None


@object_type(shareable=True)
class Match(MatchScores):
    """A musician in the ranking for a request. All scores are from 0 to 100."""

    musician_id: strawberry.Private[UUID]

    @resolver
    def musician(self) -> Musician | None:
        """The ranked musician."""
        return Musician(uuid=strawberry.ID(str(self.musician_id)), representation={})

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
