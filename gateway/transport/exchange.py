"""One call over HTTP, from waiting for a connection to the reply or error; and the deadlines of all calls.

The states are: waiting for a place in the pool, connecting, sent, and ended.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.security.signatures import RequestSigner
from gateway.transport.base import Call, Done, Redirect, Reply
from gateway.transport.connection import Connection, ConnectionClosed
from gateway.transport.pool import Origin
from gateway.transport.tls import connection_fault

SWEEP = 0.5  # seconds between two checks of the deadlines
MAX_IDLE_FOR_MUTATION = 2.0  # seconds; common servers close a connection only after five seconds or more


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of one call, in seconds.

    `connect`: for opening a connection. `first_byte`: until the first byte of the reply; None if only the
    deadline of the whole reply applies.
    """

    connect: float = 5.0
    first_byte: float | None = None


class ExchangeTransport(Protocol):
    """The part of a transport that its exchanges use."""

    closed: bool
    clock: Clock
    patience: Timeouts
    deadlines: "Deadlines"

    def address_of(self, subgraph: str) -> str:
        """Return the URL of a subgraph."""
        ...


class SubgraphExchange:
    """One call and its reply. However it ends, it first releases its resources, then calls `done` once.

    - `head`: the request line and those headers that are the same for all calls to the subgraph.
    - `origin`: the server's connections. `holds_place`: whether the exchange counts in `origin.busy`.
    - `signer`: adds a signature; None for a subgraph without.
    - `reused`: whether the connection had already served another call.
    """

    __slots__ = (
        "call",
        "connecting",
        "connection",
        "deadline",
        "done",
        "head",
        "holds_place",
        "origin",
        "reused",
        "signer",
        "transport",
    )

    def __init__(
        self,
        transport: ExchangeTransport,
        call: Call,
        origin: Origin,
        head: bytes,
        done: Done,
        signer: RequestSigner | None = None,
    ) -> None:
        self.transport, self.call, self.origin, self.head = transport, call, origin, head
        self.done: Done | None = done
        self.signer = signer
        self.connection: Connection | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.deadline = call.deadline
        self.holds_place = self.reused = False

    @property
    def is_pending(self) -> bool:
        """Return whether the exchange has neither ended nor been cancelled."""
        return self.done is not None

    def begin(self) -> None:
        """Occupy a place among the connections to the origin, and send the request."""
        self.holds_place = True
        self.origin.busy += 1
        self.send_or_connect()

    def send_or_connect(self) -> None:
        """Send over an idle connection, or open a new one."""
        connection = self.origin.acquire_idle(None if self.call.repeatable else MAX_IDLE_FOR_MUTATION)
        if connection is not None:
            self.reused = True
            self.send(connection)
        else:
            self.reused = False
            self.connecting = asyncio.ensure_future(self.connect())

    async def connect(self) -> None:
        """Open a connection, and send over it."""
        try:
            connection = await self.origin.connect(self.transport.patience.connect)
        except TimeoutError as error:
            self.fail(
                f"accepted no connection within {self.transport.patience.connect:g} s",
                "SUBGRAPH_UNREACHABLE",
                error,
            )
        except (OSError, UnicodeError) as error:  # UnicodeError: from encoding the host name
            self.fail(connection_fault(error), "SUBGRAPH_UNREACHABLE", error)
        else:
            self.send(connection)

    def send(self, connection: Connection) -> None:
        """Send the request."""
        self.connection = connection
        first_byte = self.transport.patience.first_byte
        if first_byte is not None:
            now = self.transport.clock.time()
            self.deadline = min(self.call.deadline, now + first_byte)
            self.transport.deadlines.watch(self, now)
        call = self.call
        body, lines = call.body, call.headers.lines
        if self.signer is not None:  # for each sending: a verifier accepts a nonce once
            lines += self.signer.lines(call.headers.raw, body)
        head = b"%b%bcontent-length: %d\r\n\r\n" % (self.head, lines, len(body))
        connection.request(self, head, body)

    def began(self) -> None:
        """The reply has begun: from now on the deadline of the whole reply applies."""
        self.deadline = self.call.deadline

    def replied(self, connection: Connection, reply: Reply) -> None:
        """Return the connection to the idle ones, or close it, and end with the reply."""
        self.connection = None
        if 300 <= reply.status < 400:
            reply = Redirect(reply, self.transport.address_of(self.call.subgraph))
        if connection.usable and not self.transport.closed:
            connection.idle_since = self.transport.clock.time()
            self.origin.idle.append(connection)
        else:
            connection.close()
        self.end(reply)

    def failed(self, connection: Connection, error: Exception) -> None:
        """End with an error. A repeatable call is sent again if its idle connection was closed before it."""
        connection.close()
        self.connection = None
        if self.done is None:
            return
        if not isinstance(error, ConnectionClosed):
            self.fail(f"returned an invalid HTTP reply: {error}", "SUBGRAPH_BAD_RESPONSE", error)
        elif self.reused and error.clean and self.call.repeatable:
            self.transport.clock.call_soon(self.retry)
        else:
            silent = error.clean and not self.reused and self.origin.tls is not None
            self.fail(connection_fault(error.reason, silent), "SUBGRAPH_UNREACHABLE", error)

    def retry(self) -> None:
        """Send the call again, unless it was cancelled."""
        if self.done is not None:
            self.send_or_connect()

    def timed_out(self) -> None:
        """Fail because the deadline has passed."""
        first_byte = self.transport.patience.first_byte
        if self.deadline < self.call.deadline and first_byte is not None:
            self.fail(f"sent no byte of its reply within {first_byte:g} s", "SUBGRAPH_TIMEOUT", None)
        else:
            self.fail(f"did not reply within {self.call.timeout:g} s", "SUBGRAPH_TIMEOUT", None)

    def fail(self, message: str, code: str, cause: Exception | None) -> None:
        """End with an error in the next turn of the event loop, because `post` must return before `done` is
        called.
        """
        if self.done is not None:
            error = SubgraphError(message, code, subgraph=self.call.subgraph)
            error.__cause__ = cause
            self.transport.clock.call_soon(self.end, error)

    def cancel(self) -> None:
        if self.done is not None:
            self.done = None
            self.release()

    def end(self, outcome: Reply | SubgraphError) -> None:
        """Release the resources, and call `done`."""
        done, self.done = self.done, None
        if done is not None:
            self.release()
            done(outcome)

    def release(self) -> None:
        """Remove the deadline, close a connection in use, and free the place in the pool."""
        self.transport.deadlines.open.discard(self)
        if self.connecting is not None and not self.connecting.done():
            self.connecting.cancel()
        if self.connection is not None:
            self.connection.close()
        if self.holds_place:
            self.holds_place = False
            self.origin.release_place()


class Deadlines:
    """Ends exchanges at their deadlines.

    One timer serves all exchanges: a timer for each would cost as much as reading a small reply.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.open: set[SubgraphExchange] = set()
        self.timer: Timer | None = None
        self.next = 0.0

    def watch(self, exchange: SubgraphExchange, now: float) -> None:
        """Add an exchange. `now`: the clock's time."""
        self.open.add(exchange)
        due = min(exchange.deadline, now + SWEEP)
        if self.timer is None or due < self.next - 0.001:
            if self.timer is not None:
                self.timer.cancel()
            self.next = due
            self.timer = self.clock.call_at(due, self.sweep)

    def sweep(self) -> None:
        """End the exchanges whose deadline has passed; start the timer again if others remain."""
        self.timer = None
        now = self.clock.time()
        for exchange in [item for item in self.open if item.deadline <= now + 0.001]:
            self.open.discard(exchange)
            exchange.timed_out()
        if self.open:
            nearest = min(item.deadline for item in self.open)
            self.next = min(now + SWEEP, max(nearest, now))
            self.timer = self.clock.call_at(self.next, self.sweep)
