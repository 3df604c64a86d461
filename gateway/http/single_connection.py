"""One client of graphql-sse's single connection mode: its operations, and the one stream with their results.

The client reserves a token by PUT, opens the stream with it, and posts each operation with it. Results that
come before the stream is open, or faster than the client reads, wait here, up to a limit.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from gateway.core.clock import Clock, Timer
from gateway.core.context import RequestContext
from gateway.core.envelope import Envelope, error_envelope
from gateway.core.errors import RequestError
from gateway.core.streams import StreamEnd, StreamPart
from gateway.http.held import Held, Item
from gateway.http.operations import Door, Operation, OperationPeer, envelope_for
from gateway.http.streams import SLOW, has_changed
from gateway.settings import SubscriptionSettings
from gateway.wire.sse import HEARTBEAT, SINGLE


class SingleDoor(Door, Protocol):
    """What a connection needs of its door."""

    clock: Clock

    @property
    def settings(self) -> SubscriptionSettings:
        """Return the settings of subscriptions."""
        ...

    def forget(self, connection: "SingleConnection") -> None:
        """Forget a connection that has ended."""
        ...


class SingleOperation(Operation):
    """An operation that came by a request of its own.

    `accepted`: called with the response if the operation is refused, or with None if its results come by the
    stream; only the first call counts.
    """

    __slots__ = ("accepted",)
    peer: "SingleConnection | None"

    def __init__(
        self,
        peer: "SingleConnection",
        name: str,
        context: RequestContext,
        accepted: Callable[[Envelope | None], object],
    ) -> None:
        super().__init__(peer, name, context)
        self.accepted = accepted

    def answered(self, found: Envelope | BaseException) -> None:
        """Reply to the request; then send the result, or begin to receive the parts of a subscription."""
        peer, context = self.peer, self.context
        if peer is None or context is None:
            return
        envelope = envelope_for(found, context)
        if envelope.refused is None:
            super().answered(envelope)
            # The client may not notice the end of a stream before it has 202, so then it gets an error.
            self.accepted(_gone() if peer.is_over else None)
            return
        peer.forget(self)
        self.peer = None
        self._end_stage(envelope)
        self.accepted(envelope)

    def cancel(self) -> None:
        """End the operation; its request gets an error if it has no reply yet."""
        super().cancel()
        self.accepted(_gone())


def _gone() -> Envelope:
    """Return the response for an operation whose stream has ended, or that was ended, before it had a
    reply.
    """
    message = "the event stream has ended, or the operation was ended, before its reply; connect again"
    return error_envelope(RequestError(message, "NOT_FOUND"))


class SingleConnection(OperationPeer):
    """The operations of one client, and what its stream has not sent yet.

    - `token`: what the client knows the connection by. `is_open`: whether its stream was opened.
    - `is_over`: whether the stream ends when everything is sent. `expiry`: ends a connection whose stream the
      client does not open.
    """

    __slots__ = ("changed", "expiry", "held", "is_open", "is_over", "token")
    door: SingleDoor

    def __init__(self, door: SingleDoor, token: str) -> None:
        super().__init__(door, SINGLE)
        self.token = token
        self.held = Held()
        self.changed = asyncio.Event()
        self.is_open = self.is_over = False
        clock = door.clock
        wait = door.settings.single_connection.expires
        self.expiry: Timer | None = clock.call_at(clock.time() + wait, self.end)

    # OperationPeer

    def send_for(self, operation: Operation, text: bytes) -> None:
        """Let a message of an operation wait for the stream; it is not dropped."""
        self._hold(text)

    def write_part(self, operation: Operation, part: StreamPart) -> None:
        """Let a part of a subscription wait for the stream."""
        self._hold((operation, part))

    def frame(self, text: bytes) -> bytes:
        """Return the event as it is."""
        return text

    def shutdown(self) -> None:
        """End the stream without the ends of its operations: so the client connects again."""
        self.stop_all()
        self.is_over = True
        self.changed.set()

    def _hold(self, item: Item) -> None:
        """Let an item wait for the stream; end the connection if there is too much."""
        if self.is_over:
            return
        if not self.held.add(item, self.door.settings):
            self._end_slow()
        self.changed.set()

    def _end_slow(self) -> None:
        """End all operations of a client that reads too slowly, with an error for each."""
        end = StreamEnd([RequestError(SLOW, "SLOW_CLIENT").formatted()])
        started, self.held = self.started or {}, Held()
        ends = b"".join([SINGLE.end(operation.name, end) for operation in started.values()])
        self.held.items.append(ends)
        self.shutdown()

    # the stream

    def open(self) -> None:
        """Reserve the stream for the client that opens it. Raises RequestError if it is open already."""
        if self.is_open:
            raise RequestError("the event stream with this token is open already", "STREAM_CONFLICT")
        self.is_open = True

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield what the stream sends. Closing the generator ends the connection."""
        if self.expiry is not None:  # only now is it certain that closing the generator ends the connection
            self.expiry.cancel()
            self.expiry = None
        seconds = self.door.settings.heartbeat
        try:
            yield HEARTBEAT
            while True:
                while self.held:
                    item = self.held.take()
                    yield item if isinstance(item, bytes) else self.frame_of(*item)
                if self.is_over:
                    return
                if not await has_changed(self.changed, seconds):
                    yield HEARTBEAT
        finally:
            self.end()

    def end(self) -> None:
        """End all operations, and forget the connection."""
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None
        self.shutdown()
        self.door.forget(self)
