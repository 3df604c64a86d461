"""One WebSocket connection of a client: frames in, messages out. `websocket_door` owns the connections.

The state of an idle connection is small, since there may be many: no task, no timer, no dictionary besides
that of the operations. Frames that the client does not read fast enough wait here, up to a limit.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from gateway.core.clock import Clock
from gateway.core.headers import RequestHeaders
from gateway.core.streams import StreamPart
from gateway.http.websocket_peer import Door, Operation, WebSocketPeer
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
BESIDE = 64  # bytes of a message besides its body, about
CLIENT_MESSAGE = "expected a text message, got a binary one"
PING_FRAME = written_frame(PING, b"")


class ConnectionDoor(Door, Protocol):
    """What a connection on a socket needs besides: limits, and calls at certain times."""

    clock: Clock

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
      each with its operation, and frames; None while nothing waits. `size`: their bytes.
    - `closed`: called when the connection is lost.
    - `deflate`: compresses messages; None if the client has not asked for it.
    """

    __slots__ = ("closed", "deflate", "heard", "held", "is_full", "reader", "size", "transport")
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
        self.held: deque[tuple[Operation, StreamPart] | bytes] | None = None
        self.is_full = False
        self.size = 0
        self.closed: Callable[[WebSocketConnection], object] | None = None

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
        self.held = None
        self.door.gone(self)
        if self.closed is not None:
            self.closed(self)

    def pause_writing(self) -> None:
        """Called when the client reads too slowly: from now on frames wait here."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Called when the client has read enough: write what has waited."""
        self.is_full = False
        while self.held and not self.is_full:
            found = self.held.popleft()
            self.size -= _size(found)
            self.transport.write(found if isinstance(found, bytes) else self.frame_of(*found))
        if not self.held:
            self.held = None

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

    def _hold(self, item: tuple[Operation, StreamPart] | bytes) -> None:
        """Let a part or a frame wait.

        A full queue drops the oldest parts of subscriptions, or closes the connection. Then the client has
        LINGER seconds to read the close frame.
        """
        if self.held is None:
            self.held = deque()
        self.held.append(item)
        self.size += _size(item)
        settings = self.door.settings
        if self.size > settings.queue and (settings.overflow == "close" or not self._drop(settings.queue)):
            self.close(Close.TOO_SLOW, "The client reads too slowly")

    def _drop(self, limit: int) -> bool:
        """Drop the oldest parts until the rest fits; return whether it does."""
        held, kept = self.held or deque(), []
        while held and self.size > limit:
            item = held.popleft()
            if isinstance(item, bytes):
                kept.append(item)
            else:
                item[0].dropped += 1
                self.size -= _size(item)
        held.extendleft(reversed(kept))
        return self.size <= limit

    def close(self, code: int, reason: str) -> None:
        self._finish(close_frame(code, reason))

    def _finish(self, frame: bytes) -> None:
        """Write the close frame, end all operations, and cut the connection off after some time."""
        if self.stage == Stage.CLOSED:
            return
        self.stop_all()
        if not self.transport.is_closing():
            self.transport.write(frame)
        self.held, self.size = None, 0
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

    def shutdown(self) -> None:
        """Called by the server as the process ends."""
        self.close(Close.GOING_AWAY, "The gateway is shutting down; connect again")


def _size(item: tuple[Operation, StreamPart] | bytes) -> int:
    """Return about how many bytes something that waits will have on the wire."""
    return len(item) if isinstance(item, bytes) else len(item[1].body) + BESIDE
