"""A transport that answers queries from the cache, and sends calls only for the values that are not cached.

Example: a call with the representations A, B, C finds A and C in memory. It sends a call for B alone, stores
the entity of B, and passes on a reply with the entities of A, B and C, in this order.

A call whose values are all in memory and fresh is answered by `post` itself, without a `Lookup`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.cache.cache import Cache
from gateway.cache.memory import Entry, Space
from gateway.core.clock import Clock
from gateway.execute.cached.fill import Fill, PendingValue
from gateway.execute.cached.lookup import Lookup
from gateway.execute.cached.modes import cache_mode
from gateway.execute.cached.replies import CachedReply, Failed, Faulty, Settled, assembled, cached_reply
from gateway.execute.cached.requests import CachedRequest, CachedRequests
from gateway.execute.cached.trace import traced
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Done, Handle, Outcome, Transport


class Place(NamedTuple):
    """Where the values of a call are: its request, and the space of each of its lookups.

    `reads`, `stores`: whether cached values may be used, and new ones stored.
    """

    request: CachedRequest
    spaces: Sequence[Space]
    reads: bool
    stores: bool


class CachedTransport:
    """The cache in front of a transport for queries.

    `source`: sends calls. `pending`: the values that are being fetched, by space and key. `asked`, `place`:
    the last call for which `from_memory` was asked, and its place, so that `post` does not look again.
    """

    def __init__(self, source: Transport, cache: Cache, supergraph: Supergraph) -> None:
        self.source = source
        self.cache = cache
        self.settings = cache.settings
        self.requests = CachedRequests(supergraph, cache.settings)
        self.asked: Call | None = None
        self.place: Place | None = None
        self.pending: dict[tuple[bytes, bytes], tuple[PendingValue, Fill]] = {}

    @property
    def clock(self) -> Clock:
        """Return the clock of the cache."""
        return self.cache.clock

    def post(self, call: Call, done: Done) -> Handle:
        """Answer a call from the cache, as far as its values are there."""
        if call is not self.asked:
            reply = self.from_memory(call)
            if reply is not None:
                return self.clock.call_soon(done, reply)
        place = self.place
        if place is None:
            return self.source.post(call, done)
        size = 1 if not call.template.entities_only else sum(map(len, call.representations))
        lookup = Lookup(self, place.request, call, done, size)
        lookup.begin(place.spaces, place.reads, place.stores)
        return lookup

    def from_memory(self, call: Call) -> CachedReply | None:
        """Return the reply to a call if all of its values are in memory and need not be fetched again."""
        self.asked = call
        place = self.place = self.place_of(call)
        context = call.context
        if place is None or context is None or not place.reads:
            return None
        entries = self.in_memory(place.spaces, call)
        if entries is None:
            return None
        request = place.request
        request.memory += len(entries)
        if context.cache_trace is not None:
            context.cache_trace.append(traced(request, call.fetch, entries, len(entries), 0))
        return cached_reply(call, entries, request.private)

    def place_of(self, call: Call) -> Place | None:
        """Return where the values of a call are; None if it neither reads from the cache nor stores."""
        context = call.context
        request = self.requests.of(call) if call.repeatable and context is not None else None
        if request is None or context is None:
            return None
        reads, stores = context.cache_mode or cache_mode(context, self.settings)
        spaces = request.spaces(call) if reads or stores else None
        return None if spaces is None else Place(request, spaces, reads, stores)

    def keys(self, call: Call) -> Sequence[Sequence[bytes]]:
        """Return the keys of a call's values, by lookup.

        A request that is not only entity lookups has one value, whose key are all its variables.
        """
        if call.template.entities_only:
            return call.representations
        return ((b",".join(call.template.members(call.members, call.representations)),),)

    def in_memory(self, spaces: Sequence[Space], call: Call) -> list[Entry] | None:
        """Return the entries of all values if each is in memory, valid, and need not be fetched again."""
        now = self.cache.clock.time()
        horizon = self.cache.horizon(now)
        found: list[Entry] = []
        for space, keys in zip(spaces, self.keys(call), strict=True):
            entries = self.cache.memory.fresh(space.digest, keys, now, horizon)
            if entries is None:
                return None
            found = found + entries if found else entries
        return found

    def known(self, space: Space, key: bytes, horizon: float) -> Entry | None:
        """Return a valid entry of the memory, fetched after `horizon`, even if it is stale."""
        known = self.cache.memory.spaces.get(space.digest)
        entry = known.entries.get(key) if known is not None else None
        if known is None or entry is None or not self.cache.memory.is_valid(entry, known):
            return None
        return entry if entry.born >= horizon else None

    def reply(self, call: Call, values: Sequence[Settled]) -> Outcome:
        """Return the reply of a call from its values."""
        entries = [one for one in values if isinstance(one, Entry)]
        if len(entries) == len(values):
            return cached_reply(call, entries, any(one.private for one in entries))
        return assembled(call, [one for one in values if isinstance(one, Entry | Failed | Faulty)])

    def settle(self, item: PendingValue, found: Settled) -> None:
        """End the wait for a value, for all that wait."""
        self.remove_pending(item)
        item.settle(found)

    def remove_pending(self, item: PendingValue) -> None:
        """Let no further lookup wait for a value."""
        key = item.space.digest, item.key
        pending = self.pending.get(key)
        if pending is not None and pending[0] is item:
            del self.pending[key]

    def around(self, source: Transport) -> "CachedTransport":
        """Return the same cache in front of another transport, which shares no fetch with other requests."""
        found = CachedTransport(source, self.cache, self.requests.supergraph)
        found.requests = self.requests
        return found

    async def close(self) -> None:
        await self.source.close()
