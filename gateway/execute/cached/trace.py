"""Describes what the cache did for one call, for `extensions.cache` and the plan panel of GraphiQL."""

from collections.abc import Sequence
from typing import Any

from gateway.cache.memory import Entry
from gateway.execute.cached.requests import CachedRequest

MOST_TAGS = 20  # of one call that are shown


def traced(
    request: CachedRequest, fetch: int, entries: Sequence[Entry], found: int, fetched: int
) -> dict[str, Any]:
    """Return where the values of a call were found, how long they are fresh, and their tags.

    `fetch`: the id of the plan's fetch. `found`, `fetched`: how many values were in memory, and how many not.
    """
    tags = sorted({tag for one in entries for tag in one.tags} | set(request.tags))
    stored = [one for one in entries if one.space is not None]
    lifetime = min((one.fresh_until - one.born for one in stored), default=0.0)
    return {
        "fetch": fetch,
        "subgraph": request.subgraph,
        "values": request.name,
        "memory": found,
        "fetched": fetched,
        "stored": len(stored),
        "lifetime": round(lifetime, 3),
        "private": request.private or any(one.private for one in entries),
        "tags": tags[:MOST_TAGS],
    }
