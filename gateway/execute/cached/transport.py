"""A transport that answers queries from the cache, and sends calls only for the values that are not cached.

Example: a call with the representations A, B, C finds A and C in memory. It sends a call for B alone, stores
the entity of B, and passes on a reply with the entities of A, B and C, in this order.

A call whose values are all in memory and fresh is answered by `post` itself, without a `Lookup`.
"""

from collections.abc import Sequence

from gateway.cache.cache import Cache
from gateway.cache.memory import Entry, Space
from gateway.core.clock import Clock
from gateway.execute.cached.fill import Fill, PendingValue
from gateway.execute.cached.lookup import Lookup
from gateway.execute.cached.modes import cache_mode
from gateway.execute.cached.replies import CachedReply, Failed, Faulty, Settled, assembled, cached_reply
from gateway.execute.cached.requests import CachedRequests
from gateway.execute.cached.trace import traced
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Done, Handle, Outcome, Transport


class CachedTransport:
    """The cache in front of a transport for queries.

    `source`: sends calls. `pending`: the values that are being fetched, by space and key. `asked`: the last
    call for which `from_memory` was asked, so that `post` does not look again.
    """

    def __init__(self, source: Transport, cache: Cache, supergraph: Supergraph) -> None:
        self.source = source
        self.cache = cache
        self.settings = cache.settings
        self.requests = CachedRequests(supergraph, cache.settings)
        self.asked: Call | None = None
        self.pending: dict[tuple[bytes, bytes], tuple[PendingValue, Fill]] = {}

    @property
    def clock(self) -> Clock:
        """Return the clock of the cache."""
        return self.cache.clock

    def post(self, call: Call, done: Done) -> Handle:
        """Answer a call from the cache, as far as its values are there."""
        reply = None if call is self.asked else self.from_memory(call)
        if reply is not None:
            return self.clock.call_soon(done, reply)
        context = call.context
        request = self.requests.of(call) if call.repeatable and context is not None else None
        spaces = request.spaces(call) if request is not None else None
        if request is None or spaces is None or context is None:
            return self.source.post(call, done)
        reads, stores = context.cache_mode or cache_mode(context, self.settings)
        if not (reads or stores):
            return self.source.post(call, done)
        size = 1 if not call.template.entities_only else sum(map(len, call.representations))
        lookup = Lookup(self, request, call, done, size)
        lookup.begin(spaces, reads, stores)
        return lookup

    def from_memory(self, call: Call) -> CachedReply | None:
        """Return the reply to a call if all of its values are in memory and need not be fetched again."""
        self.asked = call
        context = call.context
        if context is None or not call.repeatable:
            return None
        request = self.requests.of(call)
        if request is None or not (context.cache_mode or cache_mode(context, self.settings))[0]:
            return None
        spaces = request.spaces(call)
        entries = None if spaces is None else self.in_memory(spaces, call)
        if entries is None:
            return None
        request.memory += len(entries)
        if context.cache_trace is not None:
            context.cache_trace.append(traced(request, call.fetch, entries, len(entries), 0))
        return cached_reply(call, entries, request.private)

    def keys(self, call: Call) -> Sequence[Sequence[bytes]]:
        """Return the keys of a call's values, by lookup.

        A request that is not only entity lookups has one value, whose key are all its variables.
        """
        if call.template.entities_only:
            return call.representations
        return ((b",".join(call.template.members(call.members, call.representations)),),)

    def in_memory(self, spaces: Sequence[Space], call: Call) -> list[Entry] | None:
        """Return the entries of all values if each is in memory, valid, and need not be fetched again."""
        memory, now = self.cache.memory, self.cache.clock.time()
        position, horizon = memory.fence.local.position, self.cache.horizon(now)
        found: list[Entry] = []
        for space, keys in zip(spaces, self.keys(call), strict=True):
            known = memory.spaces.get(space.digest)
            if known is None:
                return None
            try:
                entries = list(map(known.entries.__getitem__, keys))
            except KeyError:
                return None
            for entry in entries:
                if entry.early <= now or entry.born < horizon:
                    return None
                if entry.checked != position and not memory.is_valid(entry, known):
                    return None
                entry.used = True
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
