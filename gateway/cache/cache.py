"""The cache of one process: its levels, and the invalidations that it knows. A reload keeps it."""

import math
import random
from collections.abc import Iterable, Sequence

from gateway.cache.backplane import Backplane
from gateway.cache.fence import Fence
from gateway.cache.memory import Entry, Memory, Space
from gateway.cache.redis_nodes import Nodes, make_nodes
from gateway.cache.shared import SharedEntries
from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.observe.observer import Observer
from gateway.settings import CacheSettings, Settings

BETA = 1.0
"""How early entries are fetched again; 1 is the best for requests at random times (Vattani et al., 2015)."""


class Cache:
    """The levels and the fence.

    - `shared`: the entries in Redis, and `backplane` the invalidations there; None without Redis.
    - `confirmed`: until when all invalidations are known, in seconds of the monotonic clock: infinity for the
      only process of a gateway.
    - `made_for`: the settings of the gateway for which it was made.
    - `same`, `different`: in shadow mode, how many fresh values were equal to the cached ones, or not.
    """

    def __init__(
        self,
        settings: CacheSettings,
        clock: Clock = SYSTEM_CLOCK,
        *,
        alone: bool = True,
        nodes: Nodes | None = None,
        prefix: str = "gateway:",
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.fence = Fence()
        self.memory = Memory(settings.memory, self.fence)
        self.confirmed = math.inf if alone and nodes is None else -math.inf
        self.same = self.different = 0
        self.made_for: object = None
        self.random = random.Random()  # noqa: S311 - it only spreads refreshes
        self.shared: SharedEntries | None = None
        self.backplane: Backplane | None = None
        if nodes is not None:
            start = prefix.encode()
            shared = SharedEntries(nodes, self.fence, start, self.early, clock, settings.compress)
            self.shared = shared
            block = min(settings.staleness / 4, 0.5)  # several empty replies within the allowed staleness
            self.backplane = Backplane(nodes, self, shared, start, observer or Observer(), clock, block)

    def start(self) -> None:
        """Begin to receive invalidations; called in the event loop, also after a reload."""
        if self.backplane is not None:
            self.backplane.start()

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self.backplane is not None:
            await self.backplane.close()

    def horizon(self, now: float) -> float:
        """Return since when an entry must have been fetched to be used.

        While invalidations are not received, entries older than the allowed staleness are not used.
        """
        limit = now - self.settings.staleness
        return -math.inf if self.confirmed >= limit else limit

    def early(self, until: float, lifetime: float, cost: float) -> float:
        """Return from when on an entry is fetched again in the background.

        `until`: when it becomes stale. `cost`: the seconds that its fetch took. The time is random, so that
        several processes do not all refresh at once, and in the second half of the lifetime.
        """
        ahead = cost * BETA * -math.log(1.0 - self.random.random())
        return until - min(ahead, lifetime / 2)

    def compare(self, space: Space, key: bytes, entry: Entry, now: float) -> None:
        """Count whether a value that was just fetched equals the one that would have been used."""
        known = self.memory.spaces.get(space.digest)
        before = known.entries.get(key) if known is not None else None
        if known is None or before is None or before.fresh_until <= now:
            return
        if self.memory.is_valid(before, known):
            self.same += before.value == entry.value
            self.different += before.value != entry.value

    def invalidate(self, tags: Iterable[str]) -> None:
        """Make the entries with any of these tags invalid: here at once, elsewhere as soon as possible."""
        known = tuple(tags)
        self.fence.invalidate(known)
        if self.backplane is not None:
            self.backplane.publish(known)

    async def invalidate_everywhere(self, tags: Sequence[str]) -> int:
        """Make entries invalid, and return when Redis has the invalidation: the number of entries of this
        process's memory that it concerns.

        Raises RedisFailure or RedisError if other processes can't learn of it.
        """
        chosen = frozenset(tags)
        count = sum(
            not chosen.isdisjoint(entry.tags) or not chosen.isdisjoint(space.tags)
            for space, _, entry in self.memory.all()
            if self.memory.is_valid(entry, space)
        )
        self.fence.invalidate(chosen)
        if self.backplane is not None:
            await self.backplane.invalidate(sorted(chosen))
        return count


def make_cache(settings: Settings, observer: Observer, clock: Clock = SYSTEM_CLOCK) -> Cache | None:
    """Return the cache that the settings describe; None if they do not enable one.

    Raises SettingsError if Redis can't be used.
    """
    if not settings.cache.enabled:
        return None
    nodes = make_nodes(settings.redis, clock) if settings.cache.redis else None
    alone = settings.server.workers == 1
    cache = Cache(
        settings.cache, clock, alone=alone, nodes=nodes, prefix=settings.redis.prefix, observer=observer
    )
    cache.made_for = _basis(settings)
    return cache


def kept_cache(cache: Cache | None, settings: Settings) -> Cache | None:
    """Return the cache of the gateway before, if it fits the settings of the next one; else None."""
    return cache if cache is not None and cache.made_for == _basis(settings) else None


def _basis(settings: Settings) -> tuple[object, ...]:
    """Return the settings that decide what a cache is."""
    return settings.cache, settings.redis, settings.server.workers
