"""Opens broken streams again, so that subscribers outlive a restart of a subgraph.

A stream is opened again if it was open once, and its connection is what failed. A stream that could not be
opened at all fails at once, because its subscriber waits; one that the subgraph has refused or ended with
GraphQL errors stays so.
"""

import random
from collections.abc import Callable, Hashable, Mapping

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.settings import SubgraphSubscriptions
from gateway.transport.base import Call, Handle
from gateway.transport.streams import Events, Streams

FIRST_PAUSE = 0.1  # seconds
CONNECTION_CODES = frozenset({"SUBGRAPH_UNREACHABLE", "SUBGRAPH_TIMEOUT"})
DEFAULTS = SubgraphSubscriptions()


def is_broken_connection(error: SubgraphError) -> bool:
    """Return whether a stream may succeed if it is opened again: the connection broke, or the status
    is 5xx.
    """
    status = error.extensions.get("status")
    return error.code in CONNECTION_CODES or (isinstance(status, int) and status >= 500)


def pause_before(attempt: int, longest: float, chance: float) -> float:
    """Return the seconds before an attempt, the first being 1: twice as long each time, up to `longest`.

    `chance`: a random number from 0 to 1, which shortens the pause by up to a half, so that the subscriptions
    of one subgraph are not all opened at once.
    """
    return min(FIRST_PAUSE * 2.0 ** min(attempt - 1, 60), longest) * (1.0 - chance / 2)


class ReconnectingStreams:
    """Streams that are opened again after their connection broke.

    `settings`: those of subgraphs that have some. `chance`: returns random numbers from 0 to 1.
    """

    def __init__(
        self,
        inner: Streams,
        settings: Mapping[str, SubgraphSubscriptions],
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.inner = inner
        self.settings = settings
        self.clock = clock
        self.chance = chance

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        stream = ReconnectingStream(self, call, events, after)
        stream.open(call)
        return stream

    def resumes(self, call: Call) -> bool:
        return self.inner.resumes(call)

    def source(self, call: Call) -> Hashable:
        return self.inner.source(call)

    async def close(self) -> None:
        await self.inner.close()


class ReconnectingStream:
    """One stream, over all its connections; it implements `Events` for the inner stream.

    - `cursor`: after the last event; None if the source has none. `opened_at`: when it was opened; None while
      it is not open. `was_open`: whether it ever was. `broken`: why it is opened again; None if it is not.
    - `attempts`: how often it was opened again without having been open for as long as the longest pause.
    - `current`: the inner stream, or the timer before the next attempt.
    """

    __slots__ = ("attempts", "broken", "call", "current", "cursor", "events", "opened_at", "streams",
                 "was_open")  # fmt: skip

    def __init__(self, streams: ReconnectingStreams, call: Call, events: Events, after: str | None) -> None:
        self.streams = streams
        self.call = call
        self.events: Events | None = events
        self.cursor = after
        self.was_open = False
        self.opened_at: float | None = None
        self.broken: str | None = None
        self.attempts = 0
        self.current: Handle | Timer | None = None

    @property
    def settings(self) -> SubgraphSubscriptions:
        """Return the settings of the subgraph."""
        return self.streams.settings.get(self.call.subgraph, DEFAULTS)

    @property
    def resumes(self) -> bool:
        """Return whether the stream can be opened again without missing an event."""
        return self.cursor is not None and self.streams.inner.resumes(self.call)

    def open(self, call: Call) -> None:
        """Open the inner stream."""
        self.current = self.streams.inner.open(call, self, self.cursor)

    def cancel(self) -> None:
        self.events = None
        if self.current is not None:
            self.current.cancel()

    # Events

    def opened(self) -> None:
        self.was_open, self.opened_at = True, self.streams.clock.time()
        reason, self.broken = self.broken, None
        if self.events is not None:
            self.events.opened()
        if self.events is not None and reason is not None and not self.resumes:
            self.events.interrupted(reason)

    def caught_up(self) -> None:
        if self.events is not None:
            self.events.caught_up()

    def event(self, body: bytes, cursor: str | None = None) -> None:
        if self.opened_at is None:
            self.opened()
        if cursor is not None:
            self.cursor = cursor
        if self.events is not None:
            self.events.event(body, cursor)

    def backlog(self) -> int:
        return 0 if self.events is None else self.events.backlog()

    def interrupted(self, reason: str) -> None:
        if self.events is not None:
            self.events.interrupted(reason)

    def completed(self) -> None:
        events, self.events = self.events, None
        if events is not None:
            events.completed()

    def failed(self, error: SubgraphError) -> None:
        """Open the stream again after a pause, or pass the error on."""
        clock, settings = self.streams.clock, self.settings
        now = clock.time()
        if self.opened_at is not None and now - self.opened_at >= settings.max_pause:
            self.attempts = 0
        self.opened_at = None
        if self.events is None:
            return
        if not self.was_open or self.attempts >= settings.attempts or not is_broken_connection(error):
            events, self.events = self.events, None
            events.failed(error)
            return
        self.attempts += 1
        self.broken = self.broken or error.message
        pause = pause_before(self.attempts, settings.max_pause, self.streams.chance())
        self.current = clock.call_at(now + pause, self._open_again)

    def _open_again(self) -> None:
        """Open the stream with a deadline of its own: that of the call was for its first opening."""
        deadline = self.streams.clock.time() + self.settings.connect_timeout
        self.open(self.call.replaced(deadline=deadline))
