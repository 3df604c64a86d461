"""The fence: which cached entries an invalidation has made invalid, also those that are still to be stored.

Every invalidation gets the next number. An entry has the number that was current before its value was
fetched (its position), and tags; it is valid only if none of its tags was invalidated under a greater number.
So a fill that began before an invalidation is invalid when it is stored, on an empty cache too.

Example: the fetch of entry A, with the tag `type:users:User`, begins at position 4. An invalidation of the
tag gets the number 5, then A is stored with position 4: A is invalid, since 5 > 4. An entry whose fetch
begins after that has position 5 and is valid.

In Redis the numbers are the ids of the stream of invalidations (see `backplane`), as integers.
"""

from collections import OrderedDict
from collections.abc import Iterable

TAGS = 200_000
"""The number of tags whose last invalidation is stored. Beyond it the oldest is dropped, together with all
entries whose fetch began before its invalidation.
"""


def with_lists(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags, and for each entity the tag of values that contain many of its type (`embedded`)."""
    known = tuple(tags)
    types = {one.split(":", 2)[1] for one in known if one.startswith("entity:")}
    return (*known, *(f"entities:{name}" for name in sorted(types)))


class Positions:
    """The last invalidation of each tag, by numbers of one sequence.

    `position`: the greatest number so far. `floor`: entries below this position are invalid whatever their
    tags are.
    """

    __slots__ = ("floor", "last", "limit", "position")

    def __init__(self, limit: int = TAGS) -> None:
        self.position = 0
        self.floor = 0
        self.limit = limit
        self.last: OrderedDict[str, int] = OrderedDict()

    def invalidate(self, tags: Iterable[str], number: int) -> None:
        """Record that entries with any of these tags, fetched at a position below `number`, are invalid."""
        last = self.last
        for tag in tags:
            before = last.pop(tag, 0)  # removed and added again, so that the oldest comes first
            last[tag] = max(before, number)
        self.position = max(self.position, number)
        while len(last) > self.limit:
            self.floor = max(self.floor, last.popitem(last=False)[1])

    def is_valid(self, position: int, tags: Iterable[str]) -> bool:
        """Return whether an entry with these tags, fetched at this position, is still valid."""
        if position < self.floor:
            return False
        last = self.last
        for tag in tags:  # noqa: SIM110 - `all` with a generator costs three times as much
            if last.get(tag, 0) > position:
                return False
        return True

    def invalidate_all(self) -> None:
        """Make every entry that was fetched so far invalid."""
        self.position += 1
        self.floor = self.position
        self.last.clear()


class Fence:
    """The invalidations that this process knows: `local` for its own memory, `shared` for Redis.

    `unpublished`: the tags whose invalidation has no number in the stream yet, each with the local number of
    the last one. No entry of Redis with such a tag is valid.
    """

    __slots__ = ("local", "shared", "unpublished")

    def __init__(self, limit: int = TAGS) -> None:
        self.local = Positions(limit)
        self.shared = Positions(limit)
        self.unpublished: dict[str, int] = {}

    def invalidate(self, tags: Iterable[str], number: int | None = None) -> None:
        """Invalidate tags. `number`: the id in the stream of invalidations; None if it is not yet known."""
        known = with_lists(tags)
        self.local.invalidate(known, self.local.position + 1)
        if number is None:
            self.unpublished.update(dict.fromkeys(known, self.local.position))
        else:
            self.shared.invalidate(known, number)

    def published(self, tags: Iterable[str], number: int, until: int = 0) -> None:
        """Record the stream's id of invalidations of this process.

        `until`: the local number up to which the message contains the invalidations of these tags.
        """
        known = with_lists(tags)
        self.shared.invalidate(known, number)
        for tag in known:
            if self.unpublished.get(tag, until + 1) <= until:
                del self.unpublished[tag]

    def is_valid_in_redis(self, position: int, tags: Iterable[str]) -> bool:
        """Return whether an entry of Redis with these tags, fetched at this position, is still valid."""
        known = tuple(tags)
        return self.unpublished.keys().isdisjoint(known) and self.shared.is_valid(position, known)

    def invalidate_all(self) -> None:
        """Make all entries in memory invalid, since invalidations may have been lost."""
        self.local.invalidate_all()
