"""Cuts off a connection whose client reads nothing, while data waits for it: of HTTP, and of WebSocket.

Example, with 60 s: the transport of a stream is full, since its client has stopped to read. A client that
reads a few bytes every 50 s remains; one that reads nothing for 60 s is cut off, and its subscription ends.
"""

import asyncio

from gateway.core.clock import Clock, Timer


class ReadWatch:
    """Watches one connection, from when its transport is full until `cancel`.

    `seconds`: within which the client must read something. `size`: the bytes that have waited at the last
    look.
    """

    __slots__ = ("clock", "seconds", "size", "timer", "transport")

    def __init__(self, clock: Clock, transport: asyncio.Transport, seconds: float) -> None:
        self.clock = clock
        self.transport = transport
        self.seconds = seconds
        self.size = 0
        self.timer: Timer | None = None
        self._wait()

    def _wait(self) -> None:
        self.size = self.transport.get_write_buffer_size()
        self.timer = self.clock.call_at(self.clock.time() + self.seconds, self._look)

    def _look(self) -> None:
        """Cut the connection off if as much waits as before."""
        if self.transport.get_write_buffer_size() < self.size:
            self._wait()
        else:
            self.timer = None
            self.transport.abort()

    def cancel(self) -> None:
        """Watch no longer."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def watch_reading(clock: Clock, transport: asyncio.Transport, seconds: float) -> ReadWatch | None:
    """Return what watches a connection from now on; None if there is no limit."""
    return ReadWatch(clock, transport, seconds) if seconds else None
