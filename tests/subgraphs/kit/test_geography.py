"""Tests of circles: the rectangle that an index can serve, and the exact distance in SQL."""

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Double, column
from sqlalchemy.dialects import postgresql

from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.geography import EARTH_KM, Circle

LATITUDE, LONGITUDE = column("latitude", Double), column("longitude", Double)
FUNCTIONS: dict[str, Any] = {
    "power": math.pow,
    "sin": math.sin,
    "cos": math.cos,
    "asin": math.asin,
    "sqrt": math.sqrt,
    "radians": math.radians,
    "least": min,
}


def evaluated(expression: Any, latitude: float, longitude: float) -> Any:
    """Return the value of an SQL expression of the two columns, computed with Python's functions."""
    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
    compiled = str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    words = re.sub(r"CAST\((\d+) AS NUMERIC\)", r"\1", compiled)
    if " BETWEEN " in words:
        name, bounds = words.split(" BETWEEN ")
        low, high = bounds.split(" AND ")
        words = f"{low} <= {name} <= {high}"
    return eval(words, {**FUNCTIONS, "latitude": latitude, "longitude": longitude})


def vector(place: tuple[float, float]) -> tuple[float, float, float]:
    """Return the unit vector of a place in degrees."""
    north, east = map(math.radians, place)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def great_circle_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance of two places by another formula (the chord) than that of the SQL."""
    return EARTH_KM * 2 * math.asin(min(1.0, math.dist(vector(one), vector(other)) / 2))


LATITUDES = some.floats(-90, 90).map(lambda value: round(value, 4))
LONGITUDES = some.floats(-180, 180).map(lambda value: round(value, 4))


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES, some.sampled_from([0.0, 1.0, 50.0, 2000.0, 20_000.0]))
def test_the_box_holds_the_circle(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float, km: float
) -> None:
    """The distance is right, and every place within the circle is in the rectangle."""
    circle, place = Circle(latitude, longitude, km), (other_latitude, other_longitude)
    distance = evaluated(circle.distance(LATITUDE, LONGITUDE), *place)
    assert distance == pytest.approx(great_circle_km((latitude, longitude), place), abs=1.0)
    if distance <= km - 1e-6:
        assert all(evaluated(condition, *place) for condition in circle.box(LATITUDE, LONGITUDE))


@pytest.mark.parametrize(
    ("circle", "conditions"),
    [
        (Circle(52.5, 13.4, 50), 2),
        (Circle(89.9, 13.4, 50), 1),  # near the pole all longitudes are near
        (Circle(0, 179.9, 50), 1),  # the box would cross the date line
        (Circle(0, 0, 20_000), 1),
    ],
)
def test_the_box_has_no_longitude_where_it_would_be_wrong(circle: Circle, conditions: int) -> None:
    """There is no condition on the longitude near a pole, near the date line, and for a circle around half of
    the globe.
    """
    assert len(circle.box(LATITUDE, LONGITUDE)) == conditions


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ((90.1, 0, 1), "lat"),
        ((0, -180.1, 1), "lng"),
        ((0, 0, -1), "km"),
        ((0, 0, 20_041), "km"),
        ((float("nan"), 0, 1), "lat"),
    ],
)
def test_wrong_circles_are_refused(values: tuple[float, float, float], field: str) -> None:
    """Each wrong value raises an error that names its field."""
    assert Circle.read(52.5, 13.4, 50, ("lat", "lng", "km")) == Circle(52.5, 13.4, 50)
    with pytest.raises(BadUserInput) as caught:
        Circle.read(*values, ("lat", "lng", "km"))
    assert caught.value.extensions["field"] == field
