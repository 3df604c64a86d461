"""Equal queries that are under way at the same time are answered by one execution.

Equal in everything that can change the answer: the operation, its variables, and every header that subgraphs are sent, but for
those that only trace a request. The first caller executes; the others wait for its answer, and if it leaves, the execution goes on for
them. What a subgraph gives to one user alone (`Cache-Control: private` or `no-store`, `Set-Cookie`) each gets for itself.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import orjson

from gateway.execute.unshared import TRACING
from gateway.pipeline import Answered, Written
from gateway.transport.base import Handle, Headers

Start = Callable[[Answered], Handle]


class Caller:
    """One who waits for an execution. Leaving ends the execution only if no other waits for it."""

    __slots__ = ("answered", "flight", "handle")

    def __init__(self, flight: "Flight", answered: Answered) -> None:
        self.flight = flight
        self.answered: Answered | None = answered
        self.handle: Handle | None = None

    def cancel(self) -> None:
        """See Handle."""
        self.answered = None
        if self.handle is not None:
            self.handle.cancel()
        else:
            self.flight.left()

    def take(self, found: Written | BaseException) -> None:
        """Hand over the answer, unless this one has left."""
        answered, self.answered = self.answered, None
        if answered is not None:
            answered(found)


class Flight:
    """One execution, and those who wait for it."""

    __slots__ = ("callers", "flights", "handle", "key", "start")

    def __init__(self, flights: "Flights", key: Hashable, start: Start) -> None:
        self.flights = flights
        self.key = key
        self.start = start
        self.callers: list[Caller] = []
        self.handle: Handle | None = None

    def join(self, answered: Answered) -> Caller:
        """One more waits."""
        caller = Caller(self, answered)
        self.callers.append(caller)
        return caller

    def left(self) -> None:
        """Somebody has left; with the last one, the execution ends."""
        if all(caller.answered is None for caller in self.callers):
            self.close()
            if self.handle is not None:
                self.handle.cancel()

    def close(self) -> None:
        """Nobody joins any more."""
        if self.flights.open.get(self.key) is self:
            del self.flights.open[self.key]

    def land(self, found: Written | BaseException) -> None:
        """The answer is there: one takes it, and all others do if it may be shared; else each executes anew."""
        self.close()
        callers = [caller for caller in self.callers if caller.answered is not None]
        self.callers, self.handle = [], None  # no circle is left for the garbage collector
        shared = isinstance(found, Written) and not found.private
        if isinstance(found, Written) and shared and len(callers) > 1:
            found = found.as_body()
        for number, caller in enumerate(callers):
            if caller.answered is None:  # gone with one before it
                continue
            if shared or number == 0:
                caller.take(found)
            else:
                caller.handle = self.start(caller.take)


class Flights:
    """The executions that are under way, by what they share."""

    def __init__(self) -> None:
        self.open: dict[Hashable, Flight] = {}

    def share(self, key: Hashable, start: Start, answered: Answered) -> Handle:
        """Execute, or wait for the equal execution that is under way. `start` begins one; it never calls back before it returns."""
        flight = self.open.get(key)
        if flight is not None:
            return flight.join(answered)
        flight = self.open[key] = Flight(self, key, start)
        caller = flight.join(answered)
        try:
            flight.handle = start(flight.land)
        except BaseException:
            flight.close()  # nobody may wait for what has not begun
            raise
        return caller


def key_of(query: str, operation: str | None, variables: Mapping[str, Any], headers: Headers) -> Hashable | None:
    """What equal requests share; None where it can't be told."""
    try:
        given = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS) if variables else b""
    except TypeError:
        return None
    return query, operation, given, tuple([one for one in headers if one[0] not in TRACING])
