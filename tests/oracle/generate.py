"""Sets of SDLs from a seed: valid ones that mix federation's features, and broken ones, each a small edit
of a valid one.
"""

import random
import re
from collections.abc import Iterator

from tests.oracle.breakers import BREAKERS, Breaker
from tests.oracle.draft import Draft, new_draft
from tests.oracle.features import FEATURES
from tests.oracle.sets import SdlSet


def valid_set(seed: int) -> SdlSet:
    """A set with three to nine features; over 27 seeds in a row each stands first once."""
    draft = _draft(seed)
    return SdlSet(f"valid {seed}", draft.print())


def _draft(seed: int) -> Draft:
    rng = random.Random(f"valid {seed}")
    draft = new_draft(rng)
    first = FEATURES[seed % len(FEATURES)]
    for feature in (first, *rng.choices(FEATURES, k=rng.randint(2, 8))):
        feature(draft)
    return draft


def broken_set(breaker: Breaker, seed: int) -> SdlSet | None:
    """A valid set that one edit breaks; None where the edit fits nowhere."""
    rng = random.Random(f"{breaker.code} {breaker.find} {seed}")
    subgraphs = dict(valid_set(seed).subgraphs)
    fits = [name for name, sdl in subgraphs.items() if re.search(breaker.find, sdl, re.M)]
    if not fits:
        return None
    name = rng.choice(fits)
    places = list(re.finditer(breaker.find, subgraphs[name], re.M))
    chosen = places if breaker.everywhere else [rng.choice(places)]
    for place in reversed(chosen):
        sdl = subgraphs[name]
        subgraphs[name] = sdl[: place.start()] + place.expand(breaker.put) + sdl[place.end() :]
    return SdlSet(f"{breaker.code} {seed} {breaker.put!r}", subgraphs)


def broken_sets(each: int) -> Iterator[tuple[Breaker, SdlSet]]:
    """For every breaker the first sets that it fits."""
    for breaker in BREAKERS:
        found = 0
        for seed in range(400):
            broken = broken_set(breaker, seed)
            if broken is not None:
                yield breaker, broken
                found += 1
                if found == each:
                    break
