"""Generates connections between people, a social graph whose degrees are distributed as in real networks.

A person's degree is the number of connections. Degrees follow a power law with a maximum: most people have
few connections, some very many. Edges are drawn by the configuration model (Molloy and Reed, 1995), 60 % of
them within a city; loops and repetitions are dropped.
"""

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from uuid import UUID

EXPONENT = 2.3
MAX_DEGREE = 500


def degrees(random: Random, count: int) -> list[int]:
    """Draw `count` degrees from 1 to 500, with P(k) proportional to k^-2.3."""
    return [min(MAX_DEGREE, int(random.paretovariate(EXPONENT - 1))) for _ in range(count)]


_LOCAL = 0.6


def connections(seed: int, people: Sequence[tuple[UUID, str]]) -> list[tuple[UUID, UUID]]:
    """Return the pairs of connected people by id, each pair once. `people`: id and city of each person."""
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
