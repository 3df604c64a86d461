"""A store of documents in memory, limited in their number and their size."""

from collections import OrderedDict
from sys import getsizeof


class MemoryStore:
    """The documents that were used last. `count`: their maximum number. `size`: their maximum total in bytes.

    `used`: the bytes in use. A document that is larger than `size` is not stored.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size
        self.used = 0
        self.texts: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> str | None:
        """Return a document; None if it is not stored."""
        found = self.texts.get(key)
        if found is not None:
            self.texts.move_to_end(key)
        return found

    def put(self, key: str, text: str) -> None:
        """Store a document; remove the least recently used ones while the store is above a limit."""
        self.remove(key)
        size = getsizeof(key) + getsizeof(text)
        if size > self.size:
            return
        self.texts[key] = text
        self.used += size
        while len(self.texts) > self.count or self.used > self.size:
            self.remove(next(iter(self.texts)))

    def remove(self, key: str) -> None:
        """Remove a document, if it is stored."""
        text = self.texts.pop(key, None)
        if text is not None:
            self.used -= getsizeof(key) + getsizeof(text)
