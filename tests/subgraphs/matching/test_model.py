"""Tests of scores and ranking, compared with a plain calculation per musician."""

import math
import random
from types import SimpleNamespace
from uuid import UUID, uuid4

import msgspec
import numpy as np
import pytest

from subgraphs.kit.geography import EARTH_KM
from subgraphs.matching.model import (
    Columns,
    Parameters,
    Requirements,
    Weights,
    experience_scores,
    parameters_of,
    price_scores,
    rank,
    unit_vectors,
)
from subgraphs.matching.prices import band_of

EVEN = Parameters(Weights(0.4, 0.2, 0.2, 0.2), radius_km=50, recommended_from=70)


def columns_of(rows: list[SimpleNamespace]) -> Columns:
    """Return the columns for musicians in a list."""
    x, y, z = unit_vectors(np.array([row.lat for row in rows]), np.array([row.lng for row in rows]))
    return Columns(
        ids=[row.id for row in rows],
        names=["" for _ in rows],
        x=x,
        y=y,
        z=z,
        rates=np.array([row.rate for row in rows], float),
        years=np.array([row.years for row in rows], float),
        currencies=np.array([row.currency for row in rows], np.int16),
        skills=np.array([[row.skills for row in rows]], np.uint64),
    )


def plainly(
    rows: list[SimpleNamespace], wanted: Requirements, parameters: Parameters
) -> list[tuple[UUID, float]]:
    """Return the ranking by the documented rules, with loops and the haversine formula."""
    mask = int(wanted.skills[0])
    found = []
    for row in rows:
        half = math.sin(math.radians(row.lat - wanted.latitude) / 2) ** 2 + math.cos(
            math.radians(row.lat)
        ) * math.cos(math.radians(wanted.latitude)) * (
            math.sin(math.radians(row.lng - wanted.longitude) / 2) ** 2
        )
        km = 2 * EARTH_KM * math.asin(math.sqrt(min(half, 1)))
        shared = (row.skills & mask).bit_count()
        if km > parameters.radius_km or (mask and not shared):
            continue
        skill = 100 * shared / mask.bit_count() if mask else 100
        cost = row.rate * wanted.hours
        if row.currency != wanted.currency:
            price = 50.0
        elif cost <= wanted.budget_max:
            price = 100 - 30 * max(cost - wanted.budget_min, 0) / (wanted.budget_max - wanted.budget_min)
        else:
            price = max(70 * (1 - (cost - wanted.budget_max) / (wanted.budget_max / 2)), 0)
        weights = parameters.weights
        total = (
            weights.skill * skill + weights.experience * (40 + 6 * min(row.years, 10)) + weights.price * price
        )
        found.append(
            (row.id, (total + weights.distance * 100 * (1 - km / parameters.radius_km)) / weights.total)
        )
    return sorted(found, key=lambda pair: -pair[1])


@pytest.mark.parametrize("seed", range(20))
def test_rank_agrees_with_the_plain_calculation(seed: int) -> None:
    """Both give the same musicians with the same totals, for any place, radius and skills."""
    dice = random.Random(seed)
    lat, lng = dice.choice([(52.5, 13.4), (-17.0, 179.95), (89.9, 0.0), (0.0, 0.0)])
    rows = [
        SimpleNamespace(
            id=uuid4(),
            lat=max(min(lat + dice.gauss(0, 0.5), 90), -90),
            lng=lng + dice.gauss(0, 0.5),
            rate=dice.uniform(10, 200),
            years=dice.randint(0, 30),
            currency=dice.choice((0, 0, 1)),
            skills=dice.getrandbits(8),
        )
        for _ in range(300)
    ]
    mask = dice.choice((0, 1, 0b1011, 0b11111111))
    wanted = Requirements(
        lat, lng, dice.uniform(1, 8), 100.0, 600.0, 0, np.array([mask], np.uint64), mask.bit_count()
    )
    parameters = msgspec.structs.replace(EVEN, radius_km=dice.choice((5.0, 60.0, 20037.0)))
    expected = plainly(rows, wanted, parameters)
    ranking = rank(columns_of(rows), wanted, parameters, limit=40)
    assert ranking.candidates == len(expected)
    assert [match.total_score for match in ranking.matches] == pytest.approx(
        [total for _, total in expected[:40]], abs=0.006
    )
    assert [match.ranking_position for match in ranking.matches] == list(range(1, len(ranking.matches) + 1))
    assert all(match.is_recommended == (match.total_score >= 70) for match in ranking.matches)


def test_nobody_and_everybody_alike() -> None:
    """An empty index gives no musicians; equal totals are ordered by distance, then id."""
    wanted = Requirements(0.0, 0.0, 1, 0.0, 10.0, 0, np.zeros(1, np.uint64), 0)
    empty = columns_of([])
    assert rank(empty, wanted, EVEN).candidates == 0
    rows = [
        SimpleNamespace(id=UUID(int=n), lat=0.0, lng=0.0, rate=5, years=3, currency=0, skills=0)
        for n in range(50)
    ]
    random.Random(1).shuffle(rows)
    ranking = rank(columns_of(rows), wanted, EVEN, limit=10)
    assert [match.musician_id.int for match in ranking.matches] == list(range(10))


def test_single_scores() -> None:
    """The experience score ends at ten years; the price score falls within the budget and faster above it,
    also for a budget of 0.
    """
    assert experience_scores(np.array([0.0, 5, 10, 40])).tolist() == [40, 70, 100, 100]
    assert price_scores(np.array([50.0, 100, 200, 300, 375, 450, 900]), 100, 300).tolist() == [
        100,
        100,
        85,
        70,
        35,
        0,
        0,
    ]
    assert price_scores(np.array([0.0, 1]), 0, 0).tolist() == [100, 0]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"weights": {"skill": 1}, "radius_km": 5, "recommended_from": 1},
        {
            "weights": {"skill": -1, "experience": 2, "price": 0, "distance": 0},
            "radius_km": 5,
            "recommended_from": 1,
        },
        {
            "weights": {"skill": 0, "experience": 0, "price": 0, "distance": 0},
            "radius_km": 5,
            "recommended_from": 1,
        },
        {
            "weights": {"skill": 1, "experience": 0, "price": 0, "distance": 0},
            "radius_km": 0,
            "recommended_from": 1,
        },
    ],
)
def test_wrong_parameters_are_refused(document: object) -> None:
    """Parameters that would divide by 0 are refused."""
    with pytest.raises(msgspec.ValidationError):
        parameters_of(document)


def test_price_bands() -> None:
    """A rate is compared with rates of similar experience in the same currency, if there are enough."""
    rows = [
        SimpleNamespace(id=uuid4(), lat=0.0, lng=0.0, rate=10 * n, years=4, currency=0, skills=0)
        for n in range(20)
    ]
    columns = columns_of(rows)
    bands = [band_of(columns, 0, rate, 5) for rate in (5.0, 100.0, 500.0)]
    assert bands == ["budget", "standard", "premium"]
    assert band_of(columns, 1, 100.0, 5) is None
    assert band_of(columns, 0, 100.0, 40) is None
