"""What waits for a client of many operations that reads too slowly: over WebSocket, or in a single
connection.
"""

from collections import deque

from gateway.core.streams import StreamPart
from gateway.http.operations import Operation
from gateway.settings import SubscriptionSettings

BESIDE = 64  # bytes of a message besides its body, about
Item = tuple[Operation, StreamPart] | bytes
"""A part of a subscription, with its operation, which may be dropped; or a message, which may not."""


class Held:
    """The items that wait, the oldest first. `size`: their bytes."""

    __slots__ = ("items", "size")

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.size = 0

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: Item, settings: SubscriptionSettings) -> bool:
        """Let an item wait; return False if there is too much, so that the connection must be closed.

        A full queue drops the oldest parts of subscriptions, if the settings allow it.
        """
        self.items.append(item)
        self.size += _size(item)
        if self.size <= settings.queue:
            return True
        return settings.overflow == "drop" and self._drop(settings.queue)

    def _drop(self, limit: int) -> bool:
        """Drop the oldest parts until the rest fits; return whether it does."""
        items, kept = self.items, []
        while items and self.size > limit:
            item = items.popleft()
            if isinstance(item, bytes):
                kept.append(item)
            else:
                item[0].dropped += 1
                self.size -= _size(item)
        items.extendleft(reversed(kept))
        return self.size <= limit

    def take(self) -> Item:
        """Return the oldest item, which waits no longer."""
        item = self.items.popleft()
        self.size -= _size(item)
        return item


def _size(item: Item) -> int:
    """Return about how many bytes something that waits will have on the wire."""
    return len(item) if isinstance(item, bytes) else len(item[1].body) + BESIDE
