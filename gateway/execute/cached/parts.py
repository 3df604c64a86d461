"""The cached values of which a response was made."""

from collections.abc import Iterable

from gateway.cache.memory import Entry
from gateway.execute.cached.replies import CachedReply
from gateway.transport.base import Outcome


def parts_of(outcomes: Iterable[Outcome | None]) -> tuple[Entry, ...]:
    """Return the values of all replies of which a response was made; () if any reply was not cached."""
    found: list[Entry] = []
    for one in outcomes:
        if not isinstance(one, CachedReply):
            return ()
        found += one.entries
    return tuple(found)
