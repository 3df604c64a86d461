"""Who knows whom: a degree distribution as in real networks, for the social graph.

Most have a few connections and some have very many: degrees follow a power law with a cut, and edges are
drawn by the configuration model (Molloy and Reed, 1995) with a preference for one's own city; loops and
repetitions are dropped.
"""

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from uuid import UUID

EXPONENT = 2.3
MOST = 500


def degrees(random: Random, count: int) -> list[int]:
    """One degree a person: at least 1, at most 500, P(k) falling as k^-2.3."""
    return [min(MOST, int(random.paretovariate(EXPONENT - 1))) for _ in range(count)]


_LOCAL = 0.6


def connections(seed: int, people: Sequence[tuple[UUID, str]]) -> list[tuple[UUID, UUID]]:
    """Pairs of people (given as id and city), each once; about 60 % of them within a city."""
    random = Random(f"{seed}/social")
    stubs: list[UUID] = []
    by_city: dict[str, list[UUID]] = defaultdict(list)
    for (person, city), degree in zip(people, degrees(random, len(people)), strict=True):
        for _ in range(degree):
            (by_city[city] if random.random() < _LOCAL else stubs).append(person)
    pairs: set[tuple[UUID, UUID]] = set()
    for pool in (stubs, *by_city.values()):
        random.shuffle(pool)
        for one, other in zip(pool[::2], pool[1::2], strict=False):
            if one != other:
                pairs.add((min(one, other), max(one, other)))
    return sorted(pairs)
