"""Caches of limited size that evict what was not used for the longest time."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from gateway.core.errors import RequestError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """A cache of the `size` values that were used last. `misses`: how often `get` did not find a value."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.misses = 0
        self.values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return the value of a key; None if it is not cached."""
        found = self.values.get(key)
        if found is None:
            self.misses += 1
        else:
            self.values.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Cache a value; evict the least recently used one when the cache is full."""
        self.values[key] = value
        if len(self.values) > self.size:
            self.values.popitem(last=False)


class ResultCache(Generic[K, V]):
    """A cache of function results. RequestErrors that the function raises are cached too."""

    def __init__(self, size: int) -> None:
        self.recent: LruCache[K, V | RequestError] = LruCache(size)

    @property
    def misses(self) -> int:
        """Return how often `get` did not find a value."""
        return self.recent.misses

    def get(self, key: K, make: Callable[[], V], cache: bool = True) -> V:
        """Return the value of a key, computed by `make` if it is not cached.

        `cache`: whether to cache a computed value. Raises the RequestError that `make` raised.
        """
        found = self.recent.get(key)
        if found is None:
            try:
                found = make()
            except RequestError as error:
                found = error
            if cache:
                self.recent.put(key, found)
        if isinstance(found, RequestError):
            raise found.with_traceback(None)
        return found

    def remove(self, key: K) -> None:
        """Remove the value of a key, if it is cached."""
        self.recent.values.pop(key, None)
