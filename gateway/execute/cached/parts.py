"""The cached values of which a response was made."""

from collections.abc import Iterable

from gateway.cache.memory import Entry
from gateway.execute.cached.replies import CachedReply
from gateway.execute.sent_calls import SentCall


def parts_of(sent_calls: Iterable[SentCall]) -> tuple[Entry, ...]:
    """Return the values of all replies to the calls of a response; () if any reply was not cached."""
    found: list[Entry] = []
    for sent in sent_calls:
        if not isinstance(sent.outcome, CachedReply):
            return ()
        found += sent.outcome.entries
    return tuple(found)
