"""Equal queries that are under way at the same time are answered by one execution.

Equal in everything that can change the answer: the plan, the variables, the partition of the request, and
every header that subgraphs are sent, but for those that only trace a request. The first one executes; the
others wait for its answer, and if it leaves, the execution goes on for them. What a subgraph gives to one
user alone (`Cache-Control: private` or `no-store`, `Set-Cookie`), each executes for itself.
"""

from collections.abc import Hashable

from gateway.core.envelope import Envelope
from gateway.execution import Answered, Start
from gateway.transport.base import Handle


class Passenger:
    """One who waits for an execution. Leaving ends the execution only if no other waits for it."""

    __slots__ = ("answered", "flight", "handle", "start")

    def __init__(self, flight: "Flight", start: Start, answered: Answered) -> None:
        self.flight = flight
        self.start = start
        self.answered: Answered | None = answered
        self.handle: Handle | None = None

    def cancel(self) -> None:
        self.answered = None
        if self.handle is not None:
            self.handle.cancel()
        else:
            self.flight.left()

    def receive(self, found: Envelope | BaseException) -> None:
        """Hand over the answer, unless this one has left."""
        answered, self.answered = self.answered, None
        if answered is not None:
            answered(found)


class Flight:
    """One execution, and those who wait for it."""

    __slots__ = ("flights", "handle", "key", "passengers")

    def __init__(self, flights: "Flights", key: Hashable) -> None:
        self.flights = flights
        self.key = key
        self.passengers: list[Passenger] = []
        self.handle: Handle | None = None

    def join(self, start: Start, answered: Answered) -> Passenger:
        """One more waits; `start` begins an execution of its own, should it need one."""
        passenger = Passenger(self, start, answered)
        self.passengers.append(passenger)
        return passenger

    def left(self) -> None:
        """Somebody has left; with the last one, the execution ends."""
        if all(passenger.answered is None for passenger in self.passengers):
            self.close()
            if self.handle is not None:
                self.handle.cancel()

    def close(self) -> None:
        """Nobody joins any more."""
        if self.flights.open.get(self.key) is self:
            del self.flights.open[self.key]

    def land(self, found: Envelope | BaseException) -> None:
        """The answer is there: one takes it, and all others do if it may be shared.

        Else each executes anew.
        """
        self.close()
        passengers = [passenger for passenger in self.passengers if passenger.answered is not None]
        self.passengers, self.handle = [], None  # no cycle is left for the garbage collector
        shared = isinstance(found, Envelope) and not found.cache.private
        if isinstance(found, Envelope) and shared and len(passengers) > 1:
            found = found.shared()
        for number, passenger in enumerate(passengers):
            if passenger.answered is None:  # gone with one before it
                continue
            if shared or number == 0:
                passenger.receive(found)
            else:
                passenger.handle = passenger.start(passenger.receive)


class Flights:
    """The executions that are under way, by what they share."""

    def __init__(self) -> None:
        self.open: dict[Hashable, Flight] = {}

    def share(self, key: Hashable, start: Start, answered: Answered) -> Handle:
        """Execute, or wait for the equal execution that is under way.

        `start` begins one; it never calls back before it returns.
        """
        flight = self.open.get(key)
        if flight is not None:
            return flight.join(start, answered)
        flight = self.open[key] = Flight(self, key)
        passenger = flight.join(start, answered)
        try:
            flight.handle = start(flight.land)
        except BaseException:
            flight.close()  # nobody may wait for what has not begun
            raise
        return passenger
