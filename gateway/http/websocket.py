"""One WebSocket connection of a client: frames in, messages out. `websocket_door` owns the connections.

The state of an idle connection is small, since there may be many: no task, no timer, no dictionary besides
that of the operations. Frames that the client does not read fast enough wait here, up to a limit.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from gateway.core.clock import Clock
from gateway.core.headers import RequestHeaders
from gateway.core.streams import StreamPart
from gateway.http.held import Held, Item
from gateway.http.operations import Operation
from gateway.http.read_watch import ReadWatch, watch_reading
from gateway.http.websocket_peer import Door, WebSocketPeer
from gateway.settings import SubscriptionSettings
from gateway.wire.deflate import Deflate
from gateway.wire.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameError,
    FrameReader,
    close_frame,
    close_reply,
    text_frame,
)
from gateway.wire.frames import frame as written_frame
from gateway.wire.messages import Close, Machine, Stage

LINGER = 1.0  # seconds after a close frame until the connection is cut off
CLIENT_MESSAGE = "expected a text message, got a binary one"
PING_FRAME = written_frame(PING, b"")


class ConnectionDoor(Door, Protocol):
    """What a connection on a socket needs besides: limits, and calls at certain times."""

    clock: Clock
    is_ending: bool

    def opened(self, connection: "WebSocketConnection") -> None:
        """Add a connection."""
        ...

    @property
    def settings(self) -> SubscriptionSettings:
        """Return the settings of subscriptions."""
        ...

    def wake(self, connection: "WebSocketConnection", seconds: float) -> None:
        """Call `connection.due()` after about this time."""
        ...

    def gone(self, connection: "WebSocketConnection") -> None:
        """Forget a connection that is closed."""
        ...


class WebSocketConnection(WebSocketPeer, asyncio.Protocol):
    """A connection after its handshake.

    - `heard`: the clock's time at which the last bytes arrived; at the start that of the handshake.
    - `held`: what waits because the client reads too slowly: parts of subscriptions, which may be dropped,
      each with its operation, and frames; None while nothing waits.
    - `closed`: called when the connection is lost. `unread`: watches a client that does not read.
    - `deflate`: compresses messages; None if the client has not asked for it.
    """

    __slots__ = ("closed", "deflate", "heard", "held", "is_full", "reader", "transport", "unread")
    door: ConnectionDoor

    def __init__(
        self,
        door: ConnectionDoor,
        machine: Machine,
        headers: RequestHeaders,
        transport: asyncio.Transport,
        reader: FrameReader,
        deflate: Deflate | None = None,
    ) -> None:
        super().__init__(door, machine, headers)
        self.transport = transport
        self.reader = reader
        self.deflate = deflate
        self.heard = door.clock.time()
        self.held: Held | None = None
        self.is_full = False
        self.unread: ReadWatch | None = None
        self.closed: Callable[[WebSocketConnection], object] | None = None

    @property
    def size(self) -> int:
        """Return about how many bytes wait."""
        return 0 if self.held is None else self.held.size

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the protocol is set for a connection that was open before."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Process the messages in the data; close the connection if it is invalid."""
        self.heard = self.door.clock.time()
        if self.stage == Stage.CLOSED:
            self._read_after_close(data)
            return
        try:
            frames = self.reader.feed(data)
        except FrameError as error:
            self._process(error.before)
            self.close(error.close_code, error.reason)
            return
        self._process(frames)

    def _process(self, frames: list[Frame]) -> None:
        for kind, payload in frames:
            if self.stage == Stage.CLOSED:
                return
            if kind == TEXT:
                self.machine.received(self, payload)
            elif kind == PING:
                self._write(written_frame(PONG, payload))
            elif kind == CLOSE:
                self._finish(close_reply(payload))
                self._end_writing()
            elif kind != PONG:
                self.close(Close.BAD_REQUEST, CLIENT_MESSAGE)

    def _end_writing(self) -> None:
        """Send the end of the stream; the client closes the connection, or the door does after LINGER.

        To close it here could reset it while data of the client is unread, and the close frame would be lost.
        """
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _read_after_close(self, data: bytes) -> None:
        """Close the connection when the client has answered the close frame."""
        try:
            frames = self.reader.feed(data)
        except FrameError:
            self.transport.close()
            return
        if any(kind == CLOSE for kind, _ in frames):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all operations."""
        self.stop_all()
        self._end_watch()
        self.held = None
        self.door.gone(self)
        if self.closed is not None:
            self.closed(self)

    def pause_writing(self) -> None:
        """Called when the client reads too slowly: from now on frames wait here."""
        self.is_full = True
        self.unread = watch_reading(self.door.clock, self.transport, self.door.settings.read_timeout)

    def _end_watch(self) -> None:
        if self.unread is not None:
            self.unread.cancel()
            self.unread = None

    def resume_writing(self) -> None:
        """Called when the client has read enough: write what has waited."""
        self.is_full = False
        self._end_watch()
        while self.held and not self.is_full:
            found = self.held.take()
            self.transport.write(found if isinstance(found, bytes) else self.frame_of(*found))
        self.held = self.held or None

    # WebSocketPeer

    @property
    def tag(self) -> bytes:
        """Return the sub-protocol's tag, and that of the compressor; connections share compressors."""
        return self.machine.tag if self.deflate is None else b"%b%d" % (self.machine.tag, id(self.deflate))

    def send(self, text: bytes) -> None:
        self._write(self.frame(text))

    def send_for(self, operation: Operation, text: bytes) -> None:
        """Send a message of an operation, which is not dropped."""
        self._write(self.frame(text))

    def frame(self, text: bytes) -> bytes:
        """Return the frame of a message, compressed if the client has asked for it."""
        if self.deflate is not None:
            return written_frame(TEXT, self.deflate.message(text), rsv1=True)
        return text_frame(text)

    def write_part(self, operation: Operation, part: StreamPart) -> None:
        """Write a part of a subscription, or let it wait."""
        if self.is_full:
            self._hold((operation, part))
        else:
            self.transport.write(self.frame_of(operation, part))

    def _write(self, frame: bytes) -> None:
        if self.stage == Stage.CLOSED:
            return
        if self.is_full:
            self._hold(frame)
        else:
            self.transport.write(frame)

    def _hold(self, item: Item) -> None:
        """Let a part or a frame wait.

        A full queue drops the oldest parts of subscriptions, or closes the connection. Then the client has
        LINGER seconds to read the close frame.
        """
        held = self.held = self.held or Held()
        if not held.add(item, self.door.settings):
            self.close(Close.TOO_SLOW, "The client reads too slowly")

    def close(self, code: int, reason: str) -> None:
        self._finish(close_frame(code, reason))

    def _finish(self, frame: bytes) -> None:
        """Write the close frame, end all operations, and cut the connection off after some time."""
        if self.stage == Stage.CLOSED:
            return
        self.stop_all()
        if not self.transport.is_closing():
            self.transport.write(frame)
        self.held = None
        self.door.wake(self, LINGER)

    # the door

    def due(self) -> None:
        """Called by the door: check what the client should have sent by now, and send a ping."""
        settings = self.door.settings.websocket
        if self.transport.is_closing():
            return
        now = self.door.clock.time()
        if self.stage == Stage.CLOSED:
            self.transport.abort()
        elif self.stage == Stage.NEW:
            self.machine.late(self)
        elif settings.silence and now - self.heard >= settings.silence:
            self.close(Close.GOING_AWAY, "The client has sent nothing for too long")
            self.transport.abort()
        else:
            self._ping(settings.ping)

    def _ping(self, seconds: float) -> None:
        if seconds and self.stage == Stage.READY:
            heartbeat = self.machine.heartbeat
            self._write(PING_FRAME if heartbeat is None else PING_FRAME + self.frame(heartbeat))
        self.door.wake(self, seconds or self.door.settings.websocket.silence or 60.0)
