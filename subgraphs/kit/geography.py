"""SQL expressions for places on the globe: whether a row's coordinates are in a circle, and its distance.

Searches for musicians and requests near a place use them.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func

from subgraphs.kit import checks

EARTH_KM: Final = 6371.0088
"""The mean radius of the earth in kilometres."""
_KM_PER_DEGREE: Final = math.pi * EARTH_KM / 180
_HALF_THE_EARTH_KM: Final = 20_040.0


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle on the globe: its centre in degrees, its radius in kilometres."""

    latitude: float
    longitude: float
    km: float

    @classmethod
    def read(cls, latitude: float, longitude: float, km: float, fields: tuple[str, str, str]) -> "Circle":
        """Return a checked circle; `fields`: the names of the three inputs, for errors.

        Raises BadUserInput.
        """
        return cls(
            checks.latitude(latitude, fields[0]),
            checks.longitude(longitude, fields[1]),
            checks.decimal(km, fields[2], 0, _HALF_THE_EARTH_KM),
        )

    def box(self, latitude: ColumnElement[Any], longitude: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """Return the conditions that two columns of coordinates are in a rectangle around the circle.

        An index can serve them; combine them with `distance`, because the rectangle's corners are outside the
        circle. Near a pole or the date line there is no condition on the longitude.
        """
        reach = self.km / _KM_PER_DEGREE
        found: list[ColumnElement[bool]] = [latitude.between(self.latitude - reach, self.latitude + reach)]
        shrink = math.cos(math.radians(min(abs(self.latitude) + reach, 90.0)))
        if reach < 180 * shrink and abs(self.longitude) + reach / shrink <= 180:
            found.append(longitude.between(self.longitude - reach / shrink, self.longitude + reach / shrink))
        return found

    def km_to(self, latitude: float | None, longitude: float | None) -> float | None:
        """Return a place's distance from the centre in kilometres; None if its coordinates are unknown."""
        if latitude is None or longitude is None:
            return None
        here, there = math.radians(self.latitude), math.radians(latitude)
        half = (
            math.sin((there - here) / 2) ** 2
            + math.cos(here) * math.cos(there) * math.sin(math.radians(longitude - self.longitude) / 2) ** 2
        )
        return 2 * EARTH_KM * math.asin(math.sqrt(min(half, 1.0)))

    def distance(self, latitude: ColumnElement[Any], longitude: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the expression for a place's distance from the centre in kilometres (haversine formula)."""
        half = func.power(func.sin(func.radians(latitude - self.latitude) / 2), 2) + math.cos(
            math.radians(self.latitude)
        ) * func.cos(func.radians(latitude)) * func.power(
            func.sin(func.radians(longitude - self.longitude) / 2), 2
        )
        return 2 * EARTH_KM * func.asin(func.sqrt(func.least(half, 1.0)))
