"""One call of a client's request whose values are not all in memory: collects them from where they are."""

from collections.abc import Sequence
from typing import Any, Protocol

from gateway.cache.memory import Entry, Space
from gateway.core.clock import Timer
from gateway.core.errors import SubgraphError
from gateway.execute.cached.fill import Fill, Filling, PendingValue
from gateway.execute.cached.replies import Alone, CachedReply, Settled
from gateway.execute.cached.requests import CachedRequest
from gateway.execute.cached.trace import traced
from gateway.transport.base import Call, Done, Handle, Outcome, Reply

SLACK = 0.001  # seconds by which a fetch may end after the deadline of a call that waits for it


class Looking(Filling, Protocol):
    """What a lookup needs of the transport."""

    def keys(self, call: Call) -> Sequence[Sequence[bytes]]:
        """Return the keys of a call's values, by lookup."""
        ...

    def known(self, space: Space, key: bytes, horizon: float) -> Entry | None:
        """Return a valid entry of the memory, fetched after `horizon`, even if it is stale."""
        ...

    def reply(self, call: Call, values: Sequence[Settled]) -> Outcome:
        """Return the reply of a call from its values."""
        ...


class Lookup:
    """Collects the values of one call, and calls `done` once with the reply.

    - `values`: what became of each value, in the order of the representations; None while it is awaited.
    - `awaited`: the number of values that are awaited. `size`: the number of all.
    - `whole`: the outcome of the call that fetched all values, which is then passed on unchanged.
    - `fills`: the fetches that it waits for. `fetched`: how many values were not in memory.
    """

    __slots__ = (
        "awaited",
        "call",
        "done",
        "fetched",
        "fills",
        "handle",
        "is_starting",
        "request",
        "size",
        "timer",
        "transport",
        "values",
        "whole",
    )

    def __init__(self, transport: Looking, request: CachedRequest, call: Call, done: Done, size: int) -> None:
        self.transport = transport
        self.request = request
        self.call = call
        self.done: Done | None = done
        self.size = self.awaited = size
        self.values: list[Settled | None] = [None] * size
        self.whole: Outcome | None = None
        self.fills: list[Fill] = []
        self.fetched = 0
        self.timer: Timer | None = None
        self.handle: Handle | None = None
        self.is_starting = True

    def begin(self, spaces: Sequence[Space], reads: bool, stores: bool) -> None:
        """Use what is in memory, wait for what is being fetched, and fetch the rest.

        `reads`, `stores`: whether cached values may be used, and new ones stored.
        """
        transport, now = self.transport, self.transport.clock.time()
        horizon = transport.cache.horizon(now)
        wanted: list[PendingValue] = []
        stale: list[PendingValue] = []
        position = 0
        for number, (space, keys) in enumerate(zip(spaces, transport.keys(self.call), strict=True)):
            for key in keys:
                entry = transport.known(space, key, horizon) if reads else None
                if entry is not None and now < entry.stale_until:
                    self.use(position, entry, now)
                    if now >= entry.early and not entry.refreshing:
                        entry.refreshing = True
                        stale.append(PendingValue(space, number, key, entry))
                elif not (reads and self.join(space, key, position)):
                    item = PendingValue(space, number, key, entry)
                    item.waiters.append((self, position))
                    wanted.append(item)
                position += 1
        self.fetched = self.awaited
        self.fetch(wanted, self, reads, stores)
        self.fetch(stale, None, reads, stores)
        self.is_starting = False
        if not self.awaited:
            transport.clock.call_soon(self.finish)
        elif self.call.deadline < now + self.call.timeout - SLACK:
            self.timer = transport.clock.call_at(self.call.deadline, self.timed_out)

    def use(self, position: int, entry: Entry, now: float) -> None:
        """Use an entry of the memory, which may be stale."""
        entry.used = True
        self.values[position] = entry
        self.awaited -= 1
        if now < entry.fresh_until:
            self.request.memory += 1
        else:
            self.request.stale += 1

    def join(self, space: Space, key: bytes, position: int) -> bool:
        """Wait for a value that is being fetched; return whether there is such a fetch."""
        pending = self.transport.pending.get((space.digest, key))
        if pending is None:
            return False
        item, fill = pending
        if fill.is_sent and fill.position != self.transport.cache.fence.local.position:
            return False  # an invalidation since then may concern the value
        item.waiters.append((self, position))
        if fill not in self.fills:
            self.fills.append(fill)
        return True

    def fetch(self, items: Sequence[PendingValue], owner: "Lookup | None", reads: bool, stores: bool) -> None:
        """Fetch values: for this lookup, its `owner`, or in the background."""
        if not items:
            return
        fill = Fill(self.transport, self.request, self.call, items, stores, owner)
        for item in items:
            self.transport.pending[item.space.digest, item.key] = item, fill
        if owner is not None:
            self.fills.append(fill)
        fill.begin(reads)

    def receive(self, position: int, found: Settled) -> None:
        """Take note of what became of a value; after the last one, finish."""
        self.values[position] = found
        self.awaited -= 1
        if not self.awaited and not self.is_starting:
            self.finish()

    def finish(self) -> None:
        """Pass the reply to the caller. Values that must not be shared are fetched for this call alone."""
        done = self.done
        if done is None:
            return
        if self.timer is not None:
            self.timer.cancel()
        values = [one for one in self.values if one is not None]
        context = self.call.context
        if context is not None and context.cache_trace is not None:
            entries = [one for one in values if isinstance(one, Entry)]
            context.cache_trace.append(self.traced(entries))
        if any(isinstance(one, Alone) for one in values):
            self.handle = self.transport.source.post(self.call, self.end)
            return
        if self.whole is None:
            self.end(self.transport.reply(self.call, values))
            return
        whole = self.whole
        entries = [one for one in values if isinstance(one, Entry)]
        if isinstance(whole, Reply) and len(entries) == len(values) and whole.status == SUCCESS:
            self.end(CachedReply(whole.body, entries, whole.raw_headers))
        else:
            self.end(self.transport.reply(self.call, values) if entries else whole)

    def traced(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """Return what the cache did for the call."""
        found = self.size - self.fetched
        return traced(self.request, self.call.fetch, entries, found, self.fetched)

    def end(self, outcome: Outcome) -> None:
        """Call `done`, only the first time."""
        done, self.done = self.done, None
        if done is not None:
            done(outcome)

    def timed_out(self) -> None:
        """Fail the call at its deadline; other calls may still wait for the values."""
        if self.done is None:
            return
        message = f"did not reply within {self.call.timeout:g} s"
        error = SubgraphError(message, "SUBGRAPH_TIMEOUT", subgraph=self.call.subgraph)
        done = self.done
        self.cancel()
        done(error)

    def cancel(self) -> None:
        self.done = None
        if self.timer is not None:
            self.timer.cancel()
        if self.handle is not None:
            self.handle.cancel()
        for fill in self.fills:
            for item in fill.items:
                item.waiters = [one for one in item.waiters if one[0] is not self]
            fill.left()


SUCCESS = 200
