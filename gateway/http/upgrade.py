"""Turns a connection into a WebSocket, when its handshake is valid and allowed."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from gateway.core.headers import RequestHeaders
from gateway.http.request_head import RequestRefused
from gateway.http.websocket import WebSocketConnection
from gateway.http.websocket_door import WebSocketDoor
from gateway.wire.deflate import Agreement, negotiate
from gateway.wire.frames import FrameReader
from gateway.wire.handshake import Handshake, accept_response
from gateway.wire.messages import MACHINES, TRANSPORT_WS, Close


class Accepted(NamedTuple):
    """A handshake that is accepted: the response, and the protocol that serves the connection after it.

    `is_known`: whether the client has offered a sub-protocol that is served.
    """

    response: bytes
    connection: WebSocketConnection
    is_known: bool

    def begin(self, rest: bytes, closed: Callable[[WebSocketConnection], object]) -> None:
        """Serve the connection, after the response was written.

        `rest`: the data that came with the handshake. `closed`: called when the connection is lost.
        """
        connection = self.connection
        connection.closed = closed
        connection.door.opened(connection)
        if not self.is_known:
            connection.close(Close.NO_PROTOCOL, "Subprotocol not acceptable")
        elif connection.door.is_ending:
            connection.shutdown()
        elif rest:
            connection.data_received(rest)


def accept(
    door: WebSocketDoor, handshake: Handshake, headers: RequestHeaders, transport: asyncio.Transport
) -> Accepted:
    """Return the response to a valid handshake. Raises RequestRefused if the client may not connect."""
    host, origin = headers.get("host", ""), handshake.origin
    if not door.allows_origin(origin, host):
        raise RequestRefused(403, "pages of this origin may not connect (subscriptions.websocket.origins)")
    if len(door.connections) >= door.settings.websocket.connections:
        raise RequestRefused(503, "the gateway has too many connections; try again later")
    if origin is not None and not door.allows_cookies(origin, host):
        kept = [(name, value) for name, value in headers.raw.items() if name != b"cookie"]
        headers = RequestHeaders(kept, headers.address)
    machine = door.machine_for(handshake.protocols)
    agreed = _compression(door, handshake)
    inflate = agreed.inflate() if agreed is not None else None
    deflate = agreed.deflate() if agreed is not None else None
    reader = FrameReader(door.max_message, inflate=inflate)
    connection = WebSocketConnection(
        door, machine or MACHINES[TRANSPORT_WS], headers, transport, reader, deflate
    )
    extension = agreed.answer if agreed is not None else None
    response = accept_response(handshake, machine.name if machine is not None else None, extension)
    return Accepted(response, connection, machine is not None)


def _compression(door: WebSocketDoor, handshake: Handshake) -> Agreement | None:
    """Return how messages are compressed; None if they are not."""
    settings = door.settings.websocket
    if not settings.deflate or not handshake.extensions:
        return None
    return negotiate(handshake.extensions, settings.deflate_window)
