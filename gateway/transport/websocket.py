"""A WebSocket to a subgraph: an asyncio.Protocol around the handshake and the frames of `gateway.wire`."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Sequence
from typing import Protocol, cast

import httptools

from gateway.core.clock import Clock
from gateway.transport.base import RawHeaders
from gateway.transport.connection import MAX_HEAD
from gateway.transport.redirects import describe_redirect
from gateway.transport.socket_lost import BROKEN, SocketLost, closed_by_peer
from gateway.transport.tls import connection_fault
from gateway.wire.frames import (
    CLOSE,
    PING,
    TEXT,
    Frame,
    FrameError,
    FrameReader,
    close_frame,
    close_reply,
    frame,
    read_close,
)
from gateway.wire.frames import PONG as PONG_FRAME
from gateway.wire.handshake import HandshakeRefused, check_accept, upgrade_request

NOT_TEXT = 1003  # a close code


class SocketOwner(Protocol):
    """The user of a socket, which the socket calls back until it is closed."""

    def upgraded(self) -> None:
        """Called when the socket is open."""
        ...

    def text(self, payload: bytes) -> None:
        """Called with each message of the peer."""
        ...

    def lost(self, why: SocketLost) -> None:
        """Called once when the socket has ended, or could not be opened."""
        ...


class WebSocket(asyncio.Protocol):
    """A socket with one sub-protocol. `last`: the clock's time of the last byte from the peer."""

    def __init__(self, max_message: int, clock: Clock) -> None:
        self.clock = clock
        self.last = clock.time()
        self.transport: asyncio.Transport | None = None
        self.is_secure = False
        self._owner: SocketOwner | None = None
        self._reader = FrameReader(max_message, client=True)
        self._head: bytearray | None = bytearray()  # None after the handshake
        self._key = b""
        self._protocol = ""
        self._stuck = False  # the peer does not read

    def open(self, owner: SocketOwner, host: str, path: str, protocol: str, headers: RawHeaders) -> None:
        """Send the request for a WebSocket, and call the owner back from now on."""
        self._owner, self._protocol = owner, protocol
        self._key = b64encode(secrets.token_bytes(16))
        if self.transport is None or self.transport.is_closing():
            self._lose(SocketLost(connection_fault(None), "SUBGRAPH_UNREACHABLE"))
        else:
            self.transport.write(upgrade_request(host, path, self._key, [protocol], headers))

    def send(self, text: bytes) -> None:
        """Send a text."""
        self._write(frame(TEXT, text, mask=secrets.token_bytes(4)))

    def ping(self) -> None:
        """Send a ping, to which the peer has to reply."""
        self._write(frame(PING, b"", mask=secrets.token_bytes(4)))

    def reply(self, text: bytes) -> None:
        """Send a text, unless the peer does not read what was sent before."""
        if not self._stuck:
            self.send(text)

    def close(self, code: int, reason: str) -> None:
        """Close the socket with a close frame; the owner is not called back."""
        self._owner = None
        if self.transport is None or self.transport.is_closing():
            return
        if self._head is None and not self._stuck:
            self._write(close_frame(code, reason, mask=secrets.token_bytes(4)))
            self.transport.close()
        else:
            self.transport.abort()

    def abort(self) -> None:
        """Close the connection at once; the owner is not called back."""
        self._owner = None
        if self.transport is not None:
            self.transport.abort()

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _lose(self, why: SocketLost) -> None:
        owner = self._owner
        self._owner = None
        if owner is not None:
            owner.lost(why)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio when the connection is open."""
        self.transport = cast(asyncio.Transport, transport)
        self.is_secure = transport.get_extra_info("sslcontext") is not None

    def pause_writing(self) -> None:
        """Called by asyncio when much waits to be sent: replies to pings are omitted."""
        self._stuck = True

    def resume_writing(self) -> None:
        """Called by asyncio when that was sent."""
        self._stuck = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection has ended without a close frame."""
        if self._head is None:
            message = "broke the connection of the WebSocket"
            self._lose(SocketLost(message, "SUBGRAPH_UNREACHABLE", BROKEN, cause=exc))
        else:
            silent = exc is None and not self._head and self.is_secure
            self._lose(SocketLost(connection_fault(exc, silent), "SUBGRAPH_UNREACHABLE", cause=exc))

    def data_received(self, data: bytes) -> None:
        """Read the head of the reply to the handshake, then frames."""
        self.last = self.clock.time()
        if self._head is None:
            self._read_frames(data)
            return
        scanned = max(0, len(self._head) - 3)  # no empty line begins before this position
        self._head += data
        end = self._head.find(b"\r\n\r\n", scanned)
        if (end if end >= 0 else len(self._head)) > MAX_HEAD:
            self._refuse(f"expected headers of at most {MAX_HEAD} bytes, got more")
        elif end >= 0:
            head, rest = bytes(self._head[: end + 4]), bytes(self._head[end + 4 :])
            if self._finish_handshake(head) and rest:
                self._read_frames(rest)

    # the handshake

    def _finish_handshake(self, head: bytes) -> bool:
        """Check the reply; return whether the socket is open."""
        parsed = _Head()
        parser = httptools.HttpResponseParser(parsed)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass  # which it raises for the status 101
        except httptools.HttpParserError as error:
            self._refuse(f"returned an invalid HTTP reply: {error}", error)
            return False
        status = parser.get_status_code()
        try:
            selected = check_accept(status, parsed.headers, self._key, [self._protocol])
        except HandshakeRefused as error:
            self._refused(status, parsed.headers, error)
            return False
        if selected is None:
            self._refuse(f"opened a WebSocket without the sub-protocol {self._protocol}")
            return False
        self._head = None
        if self._owner is not None:
            self._owner.upgraded()
        return True

    def _refused(self, status: int, headers: Sequence[tuple[bytes, bytes]], error: HandshakeRefused) -> None:
        if status == 101:
            self._refuse(f"opened no valid WebSocket: {error.text[:200]}", error)
            return
        words = f", {describe_redirect(headers)}" if 300 <= status < 400 else ""
        message = f"replied with HTTP status {status} to the request for a WebSocket{words}"
        self._refuse(message, error, "SUBGRAPH_HTTP_ERROR", status)

    def _refuse(
        self,
        message: str,
        cause: Exception | None = None,
        code: str = "SUBGRAPH_BAD_RESPONSE",
        status: int | None = None,
    ) -> None:
        owner = self._owner
        self.abort()
        if owner is not None:
            owner.lost(SocketLost(message, code, status=status, cause=cause))

    # frames

    def _read_frames(self, data: bytes) -> None:
        """Pass messages on, also those before a violation of the protocol."""
        violation: FrameError | None = None
        try:
            frames = self._reader.feed(data)
        except FrameError as error:
            violation, frames = error, error.before
        for one in frames:
            if self._owner is None:
                return
            self._read(one)
        if violation is not None:
            self.violated(violation.close_code, violation.reason, violation)

    def _read(self, found: Frame) -> None:
        if found.kind == TEXT:
            if self._owner is not None:
                self._owner.text(found.payload)
        elif found.kind == PING:
            if not self._stuck:
                self._write(frame(PONG_FRAME, found.payload, mask=secrets.token_bytes(4)))
        elif found.kind == CLOSE:
            self._closed(found.payload)
        elif found.kind != PONG_FRAME:
            self.violated(NOT_TEXT, "expected a text, got binary data")

    def _closed(self, payload: bytes) -> None:
        """Reply to the peer's close frame."""
        code, reason = read_close(payload)
        if self.transport is not None and not self._stuck:
            self._write(close_reply(payload, mask=secrets.token_bytes(4)))
            self.transport.close()
        self._lose(closed_by_peer(code, reason))

    def violated(self, close_code: int, reason: str, cause: Exception | None = None) -> None:
        """Close the socket, since the peer broke the protocol, and call the owner."""
        owner = self._owner
        self.close(close_code, reason)
        if owner is not None:
            message = f"broke the protocol of the WebSocket: {reason}"
            owner.lost(SocketLost(message, "SUBGRAPH_BAD_RESPONSE", close_code, reason, cause=cause))


class _Head:
    """The head of a reply, for httptools."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for a header."""
        self.headers.append((name, value))
