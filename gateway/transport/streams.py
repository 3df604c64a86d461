"""The interface of streams of events from subgraphs: `open` starts one, and calls back for each event.

It is a protocol of its own beside `Transport`, since most wrappers of transports (batches, cache, costs,
triggers) have nothing to do with streams.
"""

from collections.abc import Hashable
from typing import Protocol

from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.errors import SubgraphError
from gateway.transport.base import Call, Handle


class Events(Protocol):
    """Receives what happens in a stream of events. Nothing is called after `completed` or `failed`."""

    def opened(self) -> None:
        """The source has accepted the subscription. It may be called again after an interruption."""
        ...

    def caught_up(self) -> None:
        """A stream that was opened after a cursor has passed on what was missed; new events follow."""
        ...

    def event(self, body: bytes, cursor: str | None = None) -> None:
        """Receive an event: the body of a GraphQL response.

        `cursor`: the position in a durable source after this event; None if the source has none.
        """
        ...

    def backlog(self) -> int:
        """Return how many events wait at the receiver; a source that can wait sends no more while it is
        great.
        """
        ...

    def interrupted(self, reason: str) -> None:
        """Events may have been missed: the stream was broken, and is open again."""
        ...

    def completed(self) -> None:
        """The source has ended the stream."""
        ...

    def failed(self, error: SubgraphError) -> None:
        """The stream could not be opened, or has ended with an error."""
        ...


class Streams(Protocol):
    """Opens streams of events at subgraphs."""

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        """Start a subscription; nothing is called back before this method returns.

        `after`: the cursor after which events are to be sent; None for those from now on. Cancelling the
        handle ends the subscription at its source. The deadline of the call is that for opening the stream.
        """
        ...

    def resumes(self, call: Call) -> bool:
        """Return whether the stream of a call can be opened after a cursor."""
        ...

    def source(self, call: Call) -> Hashable:
        """Return where the stream of a call is opened, and how; other streams may stay open if it is
        equal.
        """
        ...

    async def close(self) -> None:
        """Close idle connections. Open streams continue until they are cancelled."""
        ...


class NoStreams:
    """The streams of a gateway whose subgraphs have none."""

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        message = "has no streams in this process; give it a source of events"
        error = SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph=call.subgraph)
        clock = SYSTEM_CLOCK if call.context is None else call.context.clock
        return clock.call_soon(events.failed, error)

    def resumes(self, call: Call) -> bool:
        return False

    def source(self, call: Call) -> Hashable:
        return None

    async def close(self) -> None:
        """Do nothing: nothing is open."""
