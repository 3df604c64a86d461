"""The ids of recent events, so that an event that a publisher repeats is passed on once."""

from collections import OrderedDict

MOST = 100_000  # ids


class Repetitions:
    """The ids of events, forgotten after some time. All times are those of the events, in milliseconds."""

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds
        self.seen: OrderedDict[str, int] = OrderedDict()

    def is_new(self, name: str | None, at: int) -> bool:
        """Record an event; return whether it was not seen before. An event without an id is always new."""
        if name is None:
            return True
        if name in self.seen:
            return False
        self.seen[name] = at
        while self.seen and (
            len(self.seen) > MOST or next(iter(self.seen.values())) < at - self.milliseconds
        ):
            self.seen.popitem(last=False)
        return True
