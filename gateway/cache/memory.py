"""The first level of the cache: entries in the memory of this process, bounded by bytes.

Eviction is SIEVE (Zhang et al., NSDI 2024): a hit only sets a bit; a hand moves from the oldest entry to the
newest, clears the bits that it finds set, and evicts the first entry whose bit is not set. Unlike LRU, a hit
moves nothing.

Entries of the same request (all but the representation) belong to one `Space`; a lookup in it costs one
dictionary access per representation.
"""

from collections.abc import Iterable, Iterator

from gateway.cache.fence import Fence

OVERHEAD = 600
"""Bytes of memory of an entry besides its key, value and tags: `tests/gateway/cache/test_memory.py` measures
them.
"""

TAG = 90  # bytes of memory of a tag besides its characters


class Entry:
    """One cached value: an entity, the data of a root request, or a whole answer.

    All times are in seconds of the clock's monotonic time.

    - `value`: the JSON of the value.
    - `fresh_until`: when it becomes stale. `early`: from when on it is fetched again in the background, a
      random time shortly before (Vattani et al., VLDB 2015).
    - `stale_until`: until when it may be used while it is fetched again (stale-while-revalidate).
    - `error_until`: until when it may be used if that fails (stale-if-error).
    - `born`: when its fetch began.
    - `position`: the fence's position before its fetch. `checked`: the position at which its tags were last
      found valid.
    - `used`: SIEVE's bit. `refreshing`: whether it is being fetched again.
    """

    __slots__ = (
        "born",
        "checked",
        "early",
        "error_until",
        "fresh_until",
        "key",
        "newer",
        "older",
        "position",
        "private",
        "refreshing",
        "size",
        "space",
        "stale_until",
        "tags",
        "used",
        "value",
    )

    def __init__(
        self,
        value: bytes,
        tags: tuple[str, ...],
        position: int,
        born: float,
        fresh_until: float,
        *,
        early: float | None = None,
        stale_until: float = 0.0,
        error_until: float = 0.0,
        private: bool = False,
    ) -> None:
        self.value = value
        self.tags = tags
        self.position = self.checked = position
        self.born = born
        self.fresh_until = fresh_until
        self.early = fresh_until if early is None else early
        self.stale_until = max(stale_until, fresh_until)
        self.error_until = max(error_until, fresh_until)
        self.private = private
        self.used = False
        self.refreshing = False
        self.size = 0
        self.key = b""
        self.space: Space | None = None
        self.newer: Entry | None = None
        self.older: Entry | None = None

    @property
    def last_use(self) -> float:
        """Return the time after which the entry can't be used in any way."""
        return max(self.stale_until, self.error_until)


class Space:
    """The entries of one request with different representations.

    - `digest`: identifies the request in Redis, and in other versions of the supergraph.
    - `tags`: those that all of its entries have.
    - `entries`: by representation, as JSON; a request without representations has the key b"".
    """

    __slots__ = ("digest", "entries", "tags")

    def __init__(self, digest: bytes, tags: tuple[str, ...]) -> None:
        self.digest = digest
        self.tags = tags
        self.entries: dict[bytes, Entry] = {}


class Memory:
    """The entries of this process, at most `limit` bytes of them.

    `size`: bytes in use. `count`: the number of entries. `evicted`: how many were evicted.
    """

    def __init__(self, limit: int, fence: Fence) -> None:
        self.limit = limit
        self.fence = fence
        self.spaces: dict[bytes, Space] = {}
        self.size = 0
        self.count = 0
        self.evicted = 0
        self.newest: Entry | None = None
        self.oldest: Entry | None = None
        self.hand: Entry | None = None

    def space(self, digest: bytes, tags: tuple[str, ...]) -> Space:
        """Return the space with this digest; a new one is stored as soon as it has an entry."""
        found = self.spaces.get(digest)
        return Space(digest, tags) if found is None else found

    def is_valid(self, entry: Entry, space: Space) -> bool:
        """Return whether no invalidation concerns an entry; one that is invalid is removed."""
        local = self.fence.local
        if entry.checked == local.position:
            return True
        if local.is_valid(entry.position, entry.tags) and local.is_valid(entry.position, space.tags):
            entry.checked = local.position
            return True
        self.remove(entry)
        return False

    def fresh(self, digest: bytes, keys: Iterable[bytes], now: float, horizon: float) -> list[Entry] | None:
        """Return the entries of a space with these keys, marked as used; None unless all of them are valid,
        need not be fetched again, and were fetched after `horizon`.
        """
        known = self.spaces.get(digest)
        if known is None:
            return None
        try:
            entries = list(map(known.entries.__getitem__, keys))
        except KeyError:
            return None
        position = self.fence.local.position
        for entry in entries:
            if entry.early <= now or entry.born < horizon:
                return None
            if entry.checked != position and not self.is_valid(entry, known):
                return None
            entry.used = True
        return entries

    def put(self, space: Space, key: bytes, entry: Entry) -> Entry:
        """Store an entry, unless an invalidation concerns it or it is too large; evict others as necessary.

        An entry that was fetched earlier never replaces a valid one that was fetched later. Returns the entry
        to use.
        """
        known = self.spaces.get(space.digest, space)
        before = known.entries.get(key)
        if before is not None:
            if before.born > entry.born and self.is_valid(before, known):
                return before
            self.remove(before)
        local = self.fence.local
        if not (local.is_valid(entry.position, entry.tags) and local.is_valid(entry.position, known.tags)):
            return entry
        tags = sum(map(len, entry.tags)) + len(entry.tags) * TAG
        entry.size = len(key) + len(entry.value) + tags + OVERHEAD
        if entry.size > self.limit // 8:  # one value must not push out most others
            return entry
        entry.checked = local.position
        entry.key, entry.space = key, known
        self.spaces[known.digest] = known
        known.entries[key] = entry
        self._link(entry)
        while self.size > self.limit:
            self._evict()
        return entry

    def _link(self, entry: Entry) -> None:
        entry.older, entry.newer = self.newest, None
        if self.newest is not None:
            self.newest.newer = entry
        self.newest = entry
        if self.oldest is None:
            self.oldest = entry
        self.size += entry.size
        self.count += 1

    def remove(self, entry: Entry) -> None:
        """Remove an entry; this has no effect if it is not stored."""
        space = entry.space
        if space is None:
            return
        if self.hand is entry:
            self.hand = entry.newer
        if entry.older is not None:
            entry.older.newer = entry.newer
        else:
            self.oldest = entry.newer
        if entry.newer is not None:
            entry.newer.older = entry.older
        else:
            self.newest = entry.older
        entry.older = entry.newer = entry.space = None
        self.size -= entry.size
        self.count -= 1
        del space.entries[entry.key]
        if not space.entries:
            self.spaces.pop(space.digest, None)

    def _evict(self) -> None:
        """Evict the entry that SIEVE's hand chooses."""
        entry = self.hand or self.oldest
        while entry is not None and entry.used:
            entry.used = False
            entry = entry.newer or self.oldest
        if entry is not None:
            self.hand = entry
            self.remove(entry)
            self.evicted += 1

    def all(self) -> Iterator[tuple[Space, bytes, Entry]]:
        """Yield every entry with its space and key, for statistics and tests."""
        for space in list(self.spaces.values()):
            for key, entry in list(space.entries.items()):
                yield space, key, entry

    def clear(self) -> None:
        """Remove all entries."""
        for _, _, entry in self.all():
            self.remove(entry)
