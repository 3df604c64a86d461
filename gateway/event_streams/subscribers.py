"""The subscribers of one field, found by the values that they want.

Example: 10,000 subscribers of `bookingUpdated(id)` with a condition on `payload.booking_id`. An event is
compared with those alone that want its value.
"""

from collections.abc import Iterator
from typing import Any

from gateway.event_streams.conditions import Equals, Path, text_of
from gateway.event_streams.entries import Event, at_path
from gateway.event_streams.subscriber import Subscriber

ByValue = dict[Any, dict[Subscriber, None]]


class Subscribers:
    """The subscribers of one field.

    `indexed`: by the paths and the value of an `Equals`; `others`: the rest.
    """

    def __init__(self) -> None:
        self.indexed: dict[tuple[Path, ...], ByValue] = {}
        self.others: dict[Subscriber, None] = {}

    def __len__(self) -> int:
        found = sum(len(some) for values in self.indexed.values() for some in values.values())
        return found + len(self.others)

    def add(self, subscriber: Subscriber) -> None:
        """Add a subscriber."""
        self._place(subscriber)[subscriber] = None

    def remove(self, subscriber: Subscriber) -> None:
        """Remove a subscriber, if it is there."""
        self._place(subscriber).pop(subscriber, None)
        key = _key(subscriber)
        if key is not None and not self.indexed[key.paths][key.value]:
            del self.indexed[key.paths][key.value]
            if not self.indexed[key.paths]:
                del self.indexed[key.paths]

    def _place(self, subscriber: Subscriber) -> dict[Subscriber, None]:
        key = _key(subscriber)
        if key is None:
            return self.others
        return self.indexed.setdefault(key.paths, {}).setdefault(key.value, {})

    def all(self) -> list[Subscriber]:
        """Return all subscribers."""
        found = [one for values in self.indexed.values() for some in values.values() for one in some]
        return [*found, *self.others]

    def candidates(self, event: Event) -> Iterator[Subscriber]:
        """Yield each subscriber that an event may be for, once."""
        yield from list(self.others)
        for paths, values in list(self.indexed.items()):
            wanted = dict.fromkeys(text_of(at_path(event, path)) for path in paths)
            for value in wanted:
                yield from list(values.get(value, ()) if value is not None else ())


def _key(subscriber: Subscriber) -> Equals | None:
    """Return the condition by which a subscriber is found; None without one."""
    return next((test for test in subscriber.tests if isinstance(test, Equals)), None)
