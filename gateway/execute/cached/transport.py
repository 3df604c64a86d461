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
from gateway.execute.cached.replies import (
    PRIVATE_HEADERS,
    CachedReply,
    Failed,
    Faulty,
    Settled,
    assembled,
    entity_body,
    root_body,
)
from gateway.execute.cached.requests import CachedRequests
from gateway.execute.cached.trace import traced
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Done, Handle, Outcome, Transport


class CachedTransport:
    """The cache in front of a transport for queries.

    `source`: sends calls. `pending`: the values that are being fetched, by space and key.
    """

    def __init__(self, source: Transport, cache: Cache, supergraph: Supergraph) -> None:
        self.source = source
        self.cache = cache
        self.settings = cache.settings
        self.requests = CachedRequests(supergraph, cache.settings)
        self.pending: dict[tuple[bytes, bytes], tuple[PendingValue, Fill]] = {}

    @property
    def clock(self) -> Clock:
        """Return the clock of the cache."""
        return self.cache.clock

    def post(self, call: Call, done: Done) -> Handle:
        """Answer a call from the cache, as far as its values are there."""
        context = call.context
        request = self.requests.of(call) if call.repeatable and context is not None else None
        spaces = request.spaces(call) if request is not None else None
        if request is None or spaces is None or context is None:
            return self.source.post(call, done)
        reads, stores = context.cache_mode or cache_mode(context, self.settings)
        if not (reads or stores):
            return self.source.post(call, done)
        size = 1 if not call.template.entities_only else sum(map(len, call.representations))
        if reads:
            entries = self.in_memory(spaces, call)
            if entries is not None:
                request.memory += size
                if context.cache_trace is not None:
                    context.cache_trace.append(traced(request, entries, 0))
                return self.clock.call_soon(done, self.reply(call, entries))
        lookup = Lookup(self, request, call, done, size)
        lookup.begin(spaces, reads, stores)
        return lookup

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
            entries = known.entries
            for key in keys:
                entry = entries.get(key)
                if entry is None or entry.early <= now or entry.born < horizon:
                    return None
                if entry.checked != position and not memory.is_valid(entry, known):
                    return None
                entry.used = True
                found.append(entry)
        return found

    def known(self, space: Space, key: bytes, now: float) -> Entry | None:
        """Return a valid entry of the memory, even if it is stale."""
        known = self.cache.memory.spaces.get(space.digest)
        entry = known.entries.get(key) if known is not None else None
        if known is None or entry is None or not self.cache.memory.is_valid(entry, known):
            return None
        return entry if entry.born >= self.cache.horizon(now) else None

    def reply(self, call: Call, values: Sequence[Settled]) -> Outcome:
        """Return the reply of a call from its values."""
        settled = [one for one in values if isinstance(one, Entry | Failed | Faulty)]
        entries = [one for one in settled if isinstance(one, Entry)]
        if len(entries) != len(values):
            return assembled(call, settled)
        headers = PRIVATE_HEADERS if any(one.private for one in entries) else ()
        if not call.template.entities_only:
            return CachedReply(root_body(entries[0].value), entries, headers)
        lookups: list[list[bytes]] = []
        start = 0
        for one in call.representations:
            lookups.append([entry.value for entry in entries[start : start + len(one)]])
            start += len(one)
        return CachedReply(entity_body(call.template.fields, lookups), entries, headers)

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

    async def close(self) -> None:
        await self.source.close()
