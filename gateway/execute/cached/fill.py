"""Fetches the values that a lookup did not find: from Redis, then from the subgraph; stores them; tells all
lookups that wait for them.

Values that are being fetched are `pending`, so that concurrent lookups wait for them instead of sending
another call (single flight).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from gateway.cache.cache import Cache
from gateway.cache.memory import Entry, Space
from gateway.cache.terms import Terms, reply_terms
from gateway.core.clock import Clock
from gateway.execute.cached.replies import ALONE, NULL, Failed, Faulty, Settled, Values, values_of
from gateway.execute.cached.requests import CachedRequest
from gateway.execute.cached.rules import policy_of, tags_of
from gateway.observe.facts import InternalFailure
from gateway.settings import CacheSettings
from gateway.transport.base import Call, Handle, Outcome, Reply, Transport

RETRY = 1.0  # seconds before a refresh that failed is tried again
PAUSES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.3)
"""The seconds between the looks into Redis for a value that another process is fetching."""


class Waiter(Protocol):
    """A lookup that waits for values.

    `size`: the number of its values. `whole`: the outcome of the call that fetched all of them. `fills`: the
    fetches that it waits for.
    """

    size: int
    whole: Outcome | None
    fills: "list[Fill]"

    def receive(self, position: int, found: Settled) -> None:
        """Take note of what became of a value."""
        ...


class Filling(Protocol):
    """What a fetch needs of the transport."""

    source: Transport
    cache: Cache
    settings: CacheSettings
    pending: "dict[tuple[bytes, bytes], tuple[PendingValue, Fill]]"

    @property
    def clock(self) -> Clock:
        """Return the clock of the cache."""
        ...

    def settle(self, item: "PendingValue", found: Settled) -> None:
        """End the wait for a value, for all that wait."""
        ...

    def remove_pending(self, item: "PendingValue") -> None:
        """Let no further lookup wait for a value."""
        ...


class PendingValue:
    """One value that is being fetched.

    - `lookup`, `key`: its lookup in the request, and its key in `space`.
    - `stale`: the entry that it replaces. `waiters`: the lookups that wait for it, each with the position of
      the value there.
    """

    __slots__ = ("key", "lookup", "space", "stale", "waiters")

    def __init__(self, space: Space, lookup: int, key: bytes, stale: Entry | None) -> None:
        self.space = space
        self.lookup = lookup
        self.key = key
        self.stale = stale
        self.waiters: list[tuple[Waiter, int]] = []

    def settle(self, found: Settled) -> None:
        """Pass what became of the value to every waiter."""
        waiters, self.waiters = self.waiters, []
        for waiter, position in waiters:
            waiter.receive(position, found)

    def settle_for(self, owner: Waiter | None, found: Settled) -> None:
        """Pass the value to its owner; the other waiters must fetch their own."""
        waiters, self.waiters = self.waiters, []
        for waiter, position in waiters:
            waiter.receive(position, found if waiter is owner else ALONE)


class Fill:
    """One fetch of several values.

    - `items`: the values that are still missing. `stores`: whether replies may be stored.
    - `owner`: the lookup whose call it sends; None for a refresh in the background.
    - `is_keyed`: whether the caller's identity is in the keys of the values. `is_sent`: whether the call was.
    - `born`, `position`, `shared_position`: the time and the fence's positions before the fetch.
    """

    __slots__ = (
        "born",
        "call",
        "handle",
        "is_keyed",
        "is_sent",
        "items",
        "owner",
        "position",
        "request",
        "shared_position",
        "stores",
        "transport",
    )

    def __init__(
        self,
        transport: Filling,
        request: CachedRequest,
        call: Call,
        items: Sequence[PendingValue],
        stores: bool,
        owner: Waiter | None,
    ) -> None:
        self.transport = transport
        self.request = request
        self.call = call
        self.items = list(items)
        self.stores = stores
        self.owner = owner
        self.is_keyed = request.private or request.vary is None
        self.is_sent = False
        self.handle: Handle | None = None
        self.born = 0.0
        self.position = self.shared_position = 0

    def begin(self, reads: bool) -> None:
        """Look the values up in Redis, if `reads` and there is one; else send the call."""
        shared = self.transport.cache.shared
        if not reads or shared is None or not shared.is_usable():
            self.fetch()
            return
        keys = [(item.space, item.key) for item in self.items]
        shared.get(self.request.subgraph, keys, self.looked_up)

    def looked_up(self, found: Sequence[Entry | None] | None) -> None:
        """Use what Redis has, and fetch the rest. `found`: for each item an entry or None."""
        if found is None:
            self.fetch()
            return
        transport = self.transport
        missing = self.use(found)
        self.items = missing
        hot = [item for item in missing if item.stale is not None]
        shared = transport.cache.shared
        if hot and shared is not None and shared.is_usable():
            keys = [(item.space, item.key) for item in hot]
            shared.lease(self.request.subgraph, keys, partial(self.leased, hot))
        elif missing:
            self.fetch()

    def use(self, found: Sequence[Entry | None]) -> list[PendingValue]:
        """Pass on the entries of Redis that can be used, and store them in memory; return the other items."""
        transport, now = self.transport, self.transport.clock.time()
        missing = []
        for item, entry in zip(self.items, found, strict=True):
            if entry is not None and _is_usable(entry, item.stale, now):
                self.request.shared += 1
                transport.settle(item, transport.cache.memory.put(item.space, item.key, entry))
            else:
                if item.stale is None and entry is not None and now < entry.error_until:
                    item.stale = entry
                missing.append(item)
        return missing

    def leased(self, hot: Sequence[PendingValue], granted: Sequence[bool]) -> None:
        """Fetch the values that no other process is fetching, and wait for the others.

        `hot`: the items for which a lease was asked: their entries have expired here, so that other processes
        probably ask for them in the same moment.
        """
        waiting = [item for item, mine in zip(hot, granted, strict=True) if not mine]
        if waiting and self.owner is None:
            self.leave_to_others(waiting)
        elif waiting:
            chosen = set(map(id, waiting))
            self.items = [item for item in self.items if id(item) not in chosen]
            other = Fill(self.transport, self.request, self.call, waiting, self.stores, self.owner)
            for item in waiting:
                self.transport.pending[item.space.digest, item.key] = item, other
            if self.owner is not None:
                self.owner.fills.append(other)
            other.wait(0)
        if self.items:
            self.fetch()

    def leave_to_others(self, items: Sequence[PendingValue]) -> None:
        """Do not refresh values that another process is refreshing; look for them again a little later."""
        chosen, now = set(map(id, items)), self.transport.clock.time()
        self.items = [item for item in self.items if id(item) not in chosen]
        for item in items:
            if item.stale is not None:
                item.stale.refreshing = False
                item.stale.early = min(now + PAUSES[-1], item.stale.stale_until)
            self.transport.settle(item, ALONE)

    def wait(self, attempt: int) -> None:
        """Look into Redis again after a pause; after the last attempt fetch the values."""
        clock = self.transport.clock
        if attempt < len(PAUSES):
            clock.call_at(clock.time() + PAUSES[attempt], self.look_again, attempt)
        else:
            self.fetch()

    def look_again(self, attempt: int) -> None:
        """Look up the values for which somebody still waits."""
        shared = self.transport.cache.shared
        for item in self.items:
            if not item.waiters:
                self.transport.settle(item, ALONE)
        self.items = [item for item in self.items if item.waiters]
        if not self.items:
            return
        if shared is None or not shared.is_usable():
            self.fetch()
            return
        keys = [(item.space, item.key) for item in self.items]
        shared.get(self.request.subgraph, keys, partial(self.looked_again, attempt))

    def looked_again(self, attempt: int, found: Sequence[Entry | None] | None) -> None:
        """Use what another process has fetched meanwhile."""
        if found is None:
            self.fetch()
            return
        self.items = self.use(found)
        if self.items:
            self.wait(attempt + 1)

    def fetch(self) -> None:
        """Send a call for the items for which somebody waits."""
        transport = self.transport
        for item in self.items:
            if not (item.waiters or _is_refresh(item)):
                transport.remove_pending(item)
        self.items = [item for item in self.items if item.waiters or _is_refresh(item)]
        if not self.items:
            return
        self.request.missed += len(self.items)
        fence = transport.cache.fence
        self.born, self.is_sent = transport.clock.time(), True
        self.position, self.shared_position = fence.local.position, fence.shared.position
        call = self.call
        representations: list[list[bytes]] | None = None
        if call.template.entities_only:
            representations = [[] for _ in call.template.fields]
            for item in self.items:
                representations[item.lookup].append(item.key)
        call = call.replaced(representations=representations, deadline=self.born + call.timeout)
        self.handle = transport.source.post(call, partial(self.replied, call))

    def replied(self, call: Call, outcome: Outcome) -> None:
        """Called with the outcome of the call."""
        self.handle = None
        if self.owner is not None and len(self.items) == self.owner.size:
            self.owner.whole = outcome
        try:
            self.accept(call, outcome)
        except Exception as error:  # no caller awaits a callback, so all that wait must get an outcome here
            if self.call.context is not None:
                self.call.context.observer.emit(InternalFailure(self.call.context.id, error))
            for item in self.items:
                self.transport.settle(item, Failed(outcome))

    def accept(self, call: Call, outcome: Outcome) -> None:
        """Store the values of a reply, and pass them on; use stale ones if it is none."""
        values = values_of(call, outcome) if isinstance(outcome, Reply) else None
        if values is None or not isinstance(outcome, Reply):
            self.failed(outcome)
            return
        request = self.request
        policy = policy_of(outcome.raw_headers, request.is_shared(call))
        terms = reply_terms(request.facts, policy, self.transport.settings)
        request.judged(terms.lifetime > 0)
        is_owned = terms.alone or (terms.private and (self.identity is None or not self.is_keyed))
        is_owned = is_owned or request.varies_otherwise(call, policy.vary)
        if terms.private:
            request.private = True  # from now on each of its entries belongs to one identity
        flat = [one for lookup in values.lookups for one in lookup]
        for place, (item, value) in enumerate(zip(self.items, flat, strict=True)):
            if is_owned:
                self.transport.remove_pending(item)
                if item.stale is not None:
                    self.transport.cache.memory.remove(item.stale)
                item.settle_for(self.owner, self.unstored(value))
            else:
                self.transport.settle(item, self.stored(item, value, terms, values, place))

    @property
    def identity(self) -> Any:
        """Return what identifies the caller; None for an anonymous one."""
        return self.call.context.identity.key if self.call.context is not None else None

    def unstored(self, value: bytes | Faulty, private: bool = True) -> Entry | Faulty:
        """Return a value as an entry that is not fresh, so that nothing stores it."""
        if isinstance(value, Faulty):
            return value
        return Entry(value, (), self.position, self.born, self.transport.clock.time(), private=private)

    def stored(
        self, item: PendingValue, value: bytes | Faulty, terms: Terms, values: Values, place: int
    ) -> Entry | Faulty:
        """Return what became of one value, and store it if the terms allow it."""
        if isinstance(value, Faulty):
            self.refresh_later(item)
            return value
        cache, settings = self.transport.cache, self.transport.settings
        now = self.transport.clock.time()
        lifetime = min(terms.lifetime, settings.negative) if value == NULL else terms.lifetime
        wanted = lifetime > 0 and self.stores
        tags = tags_of(self.request, self.call, item.key, value, values, place) if wanted else None
        if tags is None:
            if item.stale is not None:
                cache.memory.remove(item.stale)  # the subgraph does not want the value to be stored any more
            return self.unstored(value, terms.private)
        until = now + lifetime
        if value == NULL:
            terms = Terms(lifetime, private=terms.private)
        entry = Entry(
            value,
            tags,
            self.position,
            self.born,
            until,
            early=cache.early(until, lifetime, now - self.born),
            stale_until=until + terms.revalidate,
            error_until=until + terms.error,
            private=terms.private,
        )
        return self.kept(item, entry)

    def kept(self, item: PendingValue, entry: Entry) -> Entry:
        """Store an entry in memory and in Redis; return the one to use, which may be a newer one."""
        cache = self.transport.cache
        if self.transport.settings.shadow:
            cache.compare(item.space, item.key, entry, self.transport.clock.time())
        kept = cache.memory.put(item.space, item.key, entry)
        if kept is not entry and self.owner is not None:
            self.owner.whole = None  # a newer value is there, so the reply must be made of entries
        if cache.shared is not None:
            cache.shared.put(self.request.subgraph, item.space, item.key, entry, self.shared_position)
        return kept

    def failed(self, outcome: Outcome) -> None:
        """Use stale entries where they may replace a failed call; the rest has failed."""
        now = self.transport.clock.time()
        memory = self.transport.cache.memory
        for item in self.items:
            stale = item.stale
            if stale is not None:
                self.refresh_later(item)
                if now < stale.error_until and memory.is_valid(stale, item.space):
                    self.request.stale += 1
                    self.transport.settle(item, stale)
                    continue
            self.transport.settle(item, Failed(outcome))

    def refresh_later(self, item: PendingValue) -> None:
        """Let a value whose refresh has failed be fetched again after a pause."""
        stale = item.stale
        if stale is not None:
            stale.refreshing = False
            stale.early = max(stale.early, min(self.transport.clock.time() + RETRY, stale.stale_until))

    def left(self) -> None:
        """A lookup does not wait any more: if nobody does, cancel the call."""
        if self.handle is None or any(item.waiters or _is_refresh(item) for item in self.items):
            return
        self.handle.cancel()
        self.handle = None
        for item in self.items:
            self.transport.settle(item, ALONE)


def _is_refresh(item: PendingValue) -> bool:
    return item.stale is not None and item.stale.refreshing


def _is_usable(entry: Entry, stale: Entry | None, now: float) -> bool:
    """Return whether an entry of Redis is used; it must be fresher than `stale`, which it replaces."""
    if stale is None:
        return now < entry.stale_until
    return now < entry.early and entry.fresh_until > stale.fresh_until
