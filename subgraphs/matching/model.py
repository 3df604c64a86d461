"""The ranking of musicians for a request: four scores from 0 to 100, and their weighted mean.

All musicians are scored at once, as numpy arrays (`Columns`): first by distance, which excludes most of them,
then those within the radius by the other scores. The best are selected without sorting the others.
bench/matching.py measures it.

Example: a musician with both required skills, 5 years of experience, a price at the upper end of the budget,
at a fifth of the radius has the scores 100 (skills), 70 (experience), 70 (price) and 80 (distance).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from subgraphs.kit.geography import EARTH_KM

STORED = 100
"""The number of musicians in a stored result."""
PUBLISHED = 50
"""The number of musicians in the published event."""
DEFAULT_ALGORITHM = "balanced"
"""The name of the algorithm that is used unless the caller chooses another one."""

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Weights(msgspec.Struct, frozen=True):
    """The weights of the scores; only their proportions matter."""

    skill: float
    experience: float
    price: float
    distance: float

    @property
    def total(self) -> float:
        """The sum of the weights."""
        return self.skill + self.experience + self.price + self.distance


class Parameters(msgspec.Struct, frozen=True):
    """The parameters of an algorithm, as stored in `matching_algorithms.parameters`.

    `radius_km`: musicians who live farther away are not ranked. `recommended_from`: the total score from
    which a musician is recommended. Raises ValueError for values that make no ranking possible.
    """

    weights: Weights
    radius_km: float
    recommended_from: float

    def __post_init__(self) -> None:
        """Raise ValueError unless the weights are not negative, one of them and the radius above 0."""
        weights = self.weights
        if min(weights.skill, weights.experience, weights.price, weights.distance) < 0 or weights.total <= 0:
            raise ValueError(f"weights must not be negative, and not all 0, got {weights}")
        if self.radius_km <= 0:
            raise ValueError(f"radius_km must be greater than 0, got {self.radius_km}")


def parameters_of(document: Any) -> Parameters:
    """Decode the stored parameters of an algorithm. Raises msgspec.ValidationError."""
    return msgspec.convert(document, Parameters, strict=False)


@dataclass(frozen=True, slots=True)
class Requirements:
    """The requirements of a request, with currency and skills encoded as in `Columns`."""

    latitude: float
    longitude: float
    hours: float
    budget_min: float
    budget_max: float
    currency: int
    skills: NDArray[np.uint64]
    skill_count: int


@dataclass(frozen=True, slots=True)
class Columns:
    """The data of all musicians, one array per field; the same index in all arrays is one musician.

    x, y and z are the musician's home as a unit vector (NaN without a place). `currencies` are numbers of
    `Index.currency`; `skills` are bits, in 64-bit words: `skills[word, musician]`.
    """

    ids: list[UUID]
    names: list[str]
    x: Floats
    y: Floats
    z: Floats
    rates: Floats
    years: Floats
    currencies: NDArray[np.int16]
    skills: NDArray[np.uint64]


class Match(msgspec.Struct, frozen=True):
    """One musician in a ranking, as stored in `matching_results.musician_scores`."""

    musician_id: UUID
    stage_name: str
    total_score: float
    skill_score: float
    experience_score: float
    price_score: float
    distance_score: float
    distance_km: float
    ranking_position: int
    is_recommended: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best musicians for a request, the best first; `candidates` is the number of all that were
    ranked.
    """

    candidates: int
    matches: Sequence[Match]


def unit_vectors(latitudes: Floats, longitudes: Floats) -> tuple[Floats, Floats, Floats]:
    """Return coordinates in degrees as unit vectors (x, y, z).

    The scalar product of two unit vectors is the cosine of the angular distance of the places.
    """
    latitude, longitude = np.radians(latitudes), np.radians(longitudes)
    across = np.cos(latitude)
    return across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)


def experience_scores(years: Floats) -> Floats:
    """Return each musician's score for experience: 40 plus 6 for each year, at most 100."""
    scores: Floats = 40 + 6 * np.minimum(years, 10)
    return scores


def price_scores(costs: Floats, budget_min: float, budget_max: float) -> Floats:
    """Return the score for each of `costs`, the price that each musician would cost for the whole event.

    It is 100 up to `budget_min`, 70 at `budget_max`, and 0 from 1.5 times `budget_max`, and falls in straight
    lines between these points.
    """
    span = max(budget_max - budget_min, 1e-9)
    within = 100 - 30 * np.clip((costs - budget_min) / span, 0, 1)
    beyond = 70 * (1 - (costs - budget_max) / max(budget_max / 2, 1e-9))
    return np.where(costs <= budget_max, within, np.clip(beyond, 0, 70))


OTHER_CURRENCY = 50.0
"""The price score of a rate in another currency, which cannot be compared."""


def rank(columns: Columns, wanted: Requirements, parameters: Parameters, limit: int = STORED) -> Ranking:
    """Rank the musicians within the radius who have at least one of the required skills.

    The ranking has the best `limit` of them. `wanted` and `columns` must be from the same index.
    """
    places, cosines = _in_reach(columns, wanted, parameters.radius_km)
    skill = _skill_scores(columns, places, wanted)
    able = np.flatnonzero(skill > 0)
    if len(able) < len(places):
        places, cosines, skill = places[able], cosines[able], skill[able]
    distances = EARTH_KM * np.arccos(np.clip(cosines, -1, 1))
    near = np.maximum(100 * (1 - distances / parameters.radius_km), 0)
    experience = experience_scores(columns.years[places])
    price = _price_scores(columns, places, wanted)
    weights = parameters.weights
    total = (
        skill * weights.skill
        + experience * weights.experience
        + price * weights.price
        + near * weights.distance
    )
    total /= weights.total
    table = np.column_stack((total, skill, experience, price, near, distances))
    best = _best(columns, places, total, distances, limit)
    return Ranking(
        len(places), [_match(columns, places, table, at, n, parameters) for n, at in enumerate(best, 1)]
    )


def _in_reach(columns: Columns, wanted: Requirements, radius_km: float) -> tuple[Places, Floats]:
    x, y, z = unit_vectors(np.array([wanted.latitude]), np.array([wanted.longitude]))
    cosines = columns.x * x[0]
    cosines += columns.y * y[0]
    cosines += columns.z * z[0]
    places = np.flatnonzero(cosines >= np.cos(min(radius_km / EARTH_KM, np.pi)))
    return places, cosines[places]


def _skill_scores(columns: Columns, places: Places, wanted: Requirements) -> Floats:
    if wanted.skill_count == 0:
        return np.full(len(places), 100.0)
    shared = np.zeros(len(places), np.uint8)
    for word in np.flatnonzero(wanted.skills):
        shared += np.bitwise_count(columns.skills[word, places] & wanted.skills[word])
    return shared.astype(np.float64) * (100.0 / wanted.skill_count)


def _price_scores(columns: Columns, places: Places, wanted: Requirements) -> Floats:
    prices = price_scores(columns.rates[places] * wanted.hours, wanted.budget_min, wanted.budget_max)
    return np.where(columns.currencies[places] == wanted.currency, prices, OTHER_CURRENCY)


def _best(columns: Columns, places: Places, total: Floats, distances: Floats, limit: int) -> list[int]:
    """Return the indexes (in `places`) of the `limit` best musicians, the best first.

    `places` has the indexes of the ranked musicians in `columns`; `total` and `distances` have their scores
    and distances in kilometres, in the same order as `places`.
    Equal totals are ordered by distance, then id, so that every process has the same order.
    """
    chosen = np.arange(len(total))
    if len(total) > limit:
        least = np.partition(total, len(total) - limit)[len(total) - limit]
        chosen = np.flatnonzero(total >= least)
    keyed = sorted((-total[at], distances[at], columns.ids[places[at]], int(at)) for at in chosen)
    return [at for *_, at in keyed[:limit]]


def _match(
    columns: Columns, places: Places, table: Floats, at: int, position: int, parameters: Parameters
) -> Match:
    total, skill, experience, price, near, distance = (round(float(value), 2) for value in table[at])
    return Match(
        musician_id=columns.ids[places[at]],
        stage_name=columns.names[places[at]],
        total_score=total,
        skill_score=skill,
        experience_score=experience,
        price_score=price,
        distance_score=near,
        distance_km=distance,
        ranking_position=position,
        is_recommended=total >= parameters.recommended_from,
    )


def hours_between(starts_at: datetime, ends_at: datetime) -> float:
    """Return the duration of an event in hours."""
    return (ends_at - starts_at).total_seconds() / 3600
