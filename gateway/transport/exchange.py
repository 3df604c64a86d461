"""One request on its way to a subgraph.

Waiting for a place, connecting, sent, answered or failed; and the deadlines of all of them.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.transport.base import Call, Done, Redirect, Reply
from gateway.transport.connection import Connection, ConnectionClosed
from gateway.transport.pool import Origin

SWEEP = 0.5  # seconds between two looks at deadlines
FRESH = 2.0  # seconds; common servers keep idle connections for at least five


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: for a new connection, and from the request to the first byte of its reply (None.

    As long as for the whole).
    """

    connect: float = 5.0
    first_byte: float | None = None


class ExchangeTransport(Protocol):
    """The transport that an exchange belongs to."""

    closed: bool
    clock: Clock
    patience: Timeouts
    deadlines: "Deadlines"

    def address_of(self, subgraph: str) -> str:
        """The URL of a subgraph."""
        ...


class SubgraphExchange:
    """Whatever ends it calls `done` once, after it has tidied up."""

    __slots__ = (
        "call",
        "connecting",
        "connection",
        "deadline",
        "done",
        "head",
        "inside",
        "keeper",
        "origin",
        "reused",
    )

    def __init__(
        self, keeper: ExchangeTransport, call: Call, origin: Origin, head: bytes, done: Done
    ) -> None:
        self.keeper, self.call, self.origin, self.head = keeper, call, origin, head
        self.done: Done | None = done
        self.connection: Connection | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.deadline = call.deadline
        self.inside = self.reused = False

    @property
    def is_open(self) -> bool:
        """Whether somebody waits for its end."""
        return self.done is not None

    def begin(self) -> None:
        """Take a place, and an idle connection or a new one."""
        self.inside = True
        self.origin.busy += 1
        self.go()

    def go(self) -> None:
        """Send over an idle connection, or connect."""
        connection = self.origin.take_idle(None if self.call.repeatable else FRESH)
        if connection is not None:
            self.reused = True
            self.send(connection)
        else:
            self.reused = False
            self.connecting = asyncio.ensure_future(self.connect())

    async def connect(self) -> None:
        """A new connection, and the request over it."""
        try:
            connection = await self.origin.connect(self.keeper.patience.connect)
        except TimeoutError as error:
            self.fail(
                f"took no connection within {self.keeper.patience.connect:g} s", "SUBGRAPH_UNREACHABLE", error
            )
        except (OSError, UnicodeError) as error:  # the codec of names raises the latter
            self.fail("can't be reached", "SUBGRAPH_UNREACHABLE", error)
        else:
            self.send(connection)

    def send(self, connection: Connection) -> None:
        """The request goes out."""
        self.connection = connection
        first_byte = self.keeper.patience.first_byte
        if first_byte is not None:
            now = self.keeper.clock.time()
            self.deadline = min(self.call.deadline, now + first_byte)
            self.keeper.deadlines.watch(self, now)
        call = self.call
        body = call.body
        head = b"%b%bcontent-length: %d\r\n\r\n" % (self.head, call.headers.lines, len(body))
        connection.request(self, head, body)

    def began(self) -> None:
        """See Owner: from now on the time for the whole counts."""
        self.deadline = self.call.deadline

    def replied(self, connection: Connection, reply: Reply) -> None:
        """See Owner."""
        self.connection = None
        if 300 <= reply.status < 400:
            reply = Redirect(reply, self.keeper.address_of(self.call.subgraph))
        if connection.usable and not self.keeper.closed:
            connection.idle_since = self.keeper.clock.time()
            self.origin.idle.append(connection)
        else:
            connection.close()
        self.end(reply)

    def failed(self, connection: Connection, error: Exception) -> None:
        """See Owner. An idle connection that was closed under a query's request.

        It never arrived, and goes out once more.
        """
        connection.close()
        self.connection = None
        if self.done is None:
            return
        if not isinstance(error, ConnectionClosed):
            self.fail(f"gave an answer that can't be read: {error}", "SUBGRAPH_BAD_RESPONSE", error)
        elif self.reused and error.clean and self.call.repeatable:
            self.keeper.clock.call_soon(self.again)
        else:
            self.fail("can't be reached", "SUBGRAPH_UNREACHABLE", error)

    def again(self) -> None:
        """Send it once more, unless it was given up."""
        if self.done is not None:
            self.go()

    def too_late(self) -> None:
        """The time is over."""
        first_byte = self.keeper.patience.first_byte
        if self.deadline < self.call.deadline and first_byte is not None:
            self.fail(f"gave no sign within {first_byte:g} s", "SUBGRAPH_TIMEOUT", None)
        else:
            self.fail(f"gave no answer within {self.call.timeout:g} s", "SUBGRAPH_TIMEOUT", None)

    def fail(self, message: str, code: str, cause: Exception | None) -> None:
        """End without a reply; who asked hears of it when it is their turn."""
        if self.done is not None:
            error = SubgraphError(message, code, subgraph=self.call.subgraph)
            error.__cause__ = cause
            self.keeper.clock.call_soon(self.end, error)

    def cancel(self) -> None:
        """See Handle."""
        if self.done is not None:
            self.done = None
            self.tidy()

    def end(self, outcome: Reply | SubgraphError) -> None:
        """It is over: the place is free, and who asked is told."""
        done, self.done = self.done, None
        if done is not None:
            self.tidy()
            done(outcome)

    def tidy(self) -> None:
        """The deadline is forgotten, a connection that is still in use is of no use, the place is free."""
        self.keeper.deadlines.open.discard(self)
        if self.connecting is not None and not self.connecting.done():
            self.connecting.cancel()
        if self.connection is not None:
            self.connection.close()
        if self.inside:
            self.inside = False
            self.origin.leave()


class Deadlines:
    """Ends exchanges whose time is over.

    A timer for each would cost as much as reading a small reply: one looks after all of them.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.open: set[SubgraphExchange] = set()
        self.timer: Timer | None = None
        self.next = 0.0

    def watch(self, exchange: SubgraphExchange, now: float) -> None:
        """Look after one more."""
        self.open.add(exchange)
        due = min(exchange.deadline, now + SWEEP)
        if self.timer is None or due < self.next - 0.001:
            if self.timer is not None:
                self.timer.cancel()
            self.next = due
            self.timer = self.clock.call_at(due, self.sweep)

    def sweep(self) -> None:
        """End what is over; look again while there is anything."""
        self.timer = None
        now = self.clock.time()
        for exchange in [one for one in self.open if one.deadline <= now + 0.001]:
            self.open.discard(exchange)
            exchange.too_late()
        if self.open:
            nearest = min(one.deadline for one in self.open)
            self.next = min(now + SWEEP, max(nearest, now))
            self.timer = self.clock.call_at(self.next, self.sweep)
