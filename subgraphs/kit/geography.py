"""Places on the globe, and the SQL conditions for places in a circle."""

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
        """Check and return a circle; `fields`: the names of the three inputs. Raises BadUserInput."""
        return cls(
            checks.latitude(latitude, fields[0]),
            checks.longitude(longitude, fields[1]),
            checks.decimal(km, fields[2], 0, _HALF_THE_EARTH_KM),
        )

    def box(self, latitude: ColumnElement[Any], longitude: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """Return the conditions for a bounding box of the circle, for which an index can be used.

        Near a pole or the date line the box has no condition on the longitude.
        """
        reach = self.km / _KM_PER_DEGREE
        found: list[ColumnElement[bool]] = [latitude.between(self.latitude - reach, self.latitude + reach)]
        shrink = math.cos(math.radians(min(abs(self.latitude) + reach, 90.0)))
        if reach < 180 * shrink and abs(self.longitude) + reach / shrink <= 180:
            found.append(longitude.between(self.longitude - reach / shrink, self.longitude + reach / shrink))
        return found

    def distance(self, latitude: ColumnElement[Any], longitude: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the distance of a place from the centre in kilometres, by the haversine formula."""
        half = func.power(func.sin(func.radians(latitude - self.latitude) / 2), 2) + math.cos(
            math.radians(self.latitude)
        ) * func.cos(func.radians(latitude)) * func.power(
            func.sin(func.radians(longitude - self.longitude) / 2), 2
        )
        return 2 * EARTH_KM * func.asin(func.sqrt(func.least(half, 1.0)))
