"""GraphQL over WebSocket, the side of the server: two sub-protocols as state machines without I/O.

`graphql-transport-ws` is that of npm's graphql-ws; `graphql-ws` is the legacy one of
subscriptions-transport-ws. A machine is one object for all connections; the state of each is in its `Peer`.

Example: the client sends `{"type":"subscribe","id":"1",...}` before `connection_init`; the machine closes the
connection with 4401.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Protocol

from gateway.core.jsontext import NotJson, encode_json, read_json
from gateway.core.streams import StreamEnd, StreamPart

TRANSPORT_WS = "graphql-transport-ws"
LEGACY_WS = "graphql-ws"
LONGEST_ID = 256  # characters of an operation's id


class Close(IntEnum):
    """The codes with which a connection is closed."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INTERNAL = 4500
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    NO_PROTOCOL = 4406
    INIT_TIMEOUT = 4408
    DUPLICATE_ID = 4409
    TOO_SLOW = 4413
    TOO_MANY_INITS = 4429


class Stage(IntEnum):
    """How far a connection is: before `connection_init`, while that is checked, acknowledged, closed."""

    NEW = 0
    CHECKING = 1
    READY = 2
    CLOSED = 3


class Peer(Protocol):
    """One connection, as the machines see it."""

    stage: Stage

    def send(self, text: bytes) -> None:
        """Send a message."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        ...

    def check(self, payload: dict[str, Any]) -> None:
        """Check the payload of `connection_init`; the door calls `accepted` or `refused` afterwards."""
        ...

    def renew(self, payload: dict[str, Any]) -> None:
        """Use the token in the payload of a `ping` from now on."""
        ...

    def has(self, name: str) -> bool:
        """Return whether an operation with this id runs."""
        ...

    def start(self, name: str, payload: dict[str, Any]) -> None:
        """Start an operation. `name`: its id. `payload`: the GraphQL request."""
        ...

    def stop(self, name: str) -> bool:
        """End an operation; return whether it ran."""
        ...

    def hold(self, text: bytes) -> None:
        """Store a message until `connection_init` is accepted; close the connection if there are too many."""
        ...

    def held_back(self) -> Sequence[bytes]:
        """Return the messages that were stored, and forget them."""
        ...


class Messages(Protocol):
    """How the results of operations are written in one protocol."""

    tag: bytes
    """Distinguishes the messages of protocols where those of several are stored."""

    def next(self, name: bytes, part: StreamPart) -> bytes:
        """Return the message with a result. `name`: the id of the operation as JSON."""
        ...

    def result(self, name: bytes, body: bytes) -> bytes:
        """Return the message with the only result of an operation."""
        ...

    def end(self, name: bytes, end: StreamEnd) -> bytes:
        """Return the message that ends an operation."""
        ...


class Machine(Messages, Protocol):
    """One sub-protocol."""

    name: str
    heartbeat: bytes | None
    """The message to an idle client, besides pings of WebSocket; None for none."""

    def received(self, peer: Peer, text: bytes) -> None:
        """Process a message of the client."""
        ...

    def accepted(self, peer: Peer) -> None:
        """Tell the client that its `connection_init` is accepted."""
        ...

    def refused(self, peer: Peer, message: str) -> None:
        """Tell the client that its `connection_init` is refused, and close the connection."""
        ...

    def late(self, peer: Peer) -> None:
        """Close a connection whose client has sent no `connection_init` in time."""
        ...


def read_message(text: bytes) -> dict[str, Any] | None:
    """Return a message; None if it is not a JSON object with a text as its `type`."""
    try:
        message = read_json(text)
    except NotJson:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return None
    return message


def _object(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return the payload of a message, {} if it has none; None if it is not an object."""
    payload = message.get("payload")
    if payload is None:
        return {}
    return payload if isinstance(payload, dict) else None


def _name(message: dict[str, Any]) -> str | None:
    """Return the id in a message; None if it is no text, empty, or too long."""
    name = message.get("id")
    return name if isinstance(name, str) and 0 < len(name) <= LONGEST_ID else None


class TransportWs:
    """graphql-transport-ws: the table of messages, and what each does."""

    name = TRANSPORT_WS
    tag = b"t"
    heartbeat: bytes | None = None

    def received(self, peer: Peer, text: bytes) -> None:
        message = read_message(text)
        if message is None:
            peer.close(Close.BAD_REQUEST, "Invalid message received")
            return
        kind = message["type"]
        if kind == "connection_init":
            self._init(peer, message)
        elif kind == "ping":
            self._ping(peer, message)
        elif kind == "subscribe":
            self._subscribe(peer, message)
        elif kind == "complete" and (name := _name(message)) is not None:
            peer.stop(name)
        elif kind != "pong":
            peer.close(Close.BAD_REQUEST, f"Invalid message type {kind}")

    @staticmethod
    def _init(peer: Peer, message: dict[str, Any]) -> None:
        payload = _object(message)
        if peer.stage != Stage.NEW:
            peer.close(Close.TOO_MANY_INITS, "Too many initialisation requests")
        elif payload is None:
            peer.close(Close.BAD_REQUEST, "The payload of connection_init must be an object")
        else:
            peer.stage = Stage.CHECKING
            peer.check(payload)

    @staticmethod
    def _ping(peer: Peer, message: dict[str, Any]) -> None:
        """Reply with a `pong` of the same payload; a payload with headers renews the token."""
        payload = message.get("payload")
        if payload is None:
            peer.send(b'{"type":"pong"}')
            return
        if isinstance(payload, dict) and peer.stage == Stage.READY:
            peer.renew(payload)
        peer.send(b'{"type":"pong","payload":%b}' % encode_json(payload))

    @staticmethod
    def _subscribe(peer: Peer, message: dict[str, Any]) -> None:
        name, payload = _name(message), message.get("payload")
        if peer.stage != Stage.READY:
            peer.close(Close.UNAUTHORIZED, "Unauthorized")
        elif name is None or not isinstance(payload, dict):
            peer.close(Close.BAD_REQUEST, "A subscribe message needs an id and an object as its payload")
        elif peer.has(name):
            peer.close(Close.DUPLICATE_ID, f"Subscriber for {name} already exists")
        else:
            peer.start(name, payload)

    def accepted(self, peer: Peer) -> None:
        peer.stage = Stage.READY
        peer.send(b'{"type":"connection_ack"}')

    def refused(self, peer: Peer, message: str) -> None:
        peer.close(Close.FORBIDDEN, "Forbidden")

    def late(self, peer: Peer) -> None:
        peer.close(Close.INIT_TIMEOUT, "Connection initialisation timeout")

    def next(self, name: bytes, part: StreamPart) -> bytes:
        return b'{"id":%b,"type":"next","payload":%b}' % (name, part.body)

    def result(self, name: bytes, body: bytes) -> bytes:
        return b'{"id":%b,"type":"next","payload":%b}' % (name, body)

    def end(self, name: bytes, end: StreamEnd) -> bytes:
        if end.errors:
            return b'{"id":%b,"type":"error","payload":%b}' % (name, encode_json(end.errors))
        return b'{"id":%b,"type":"complete"}' % name


class LegacyWs:
    """graphql-ws, the legacy protocol. Unlike the new one, it answers invalid messages and remains open.

    Its client sends operations right after `connection_init`. They wait until that is accepted.
    """

    name = LEGACY_WS
    tag = b"l"
    heartbeat: bytes | None = b'{"type":"ka"}'

    def received(self, peer: Peer, text: bytes) -> None:
        message = read_message(text)
        if message is None:
            peer.send(_legacy_error(None, "expected a JSON object with a `type`"))
            return
        kind = message["type"]
        if peer.stage == Stage.CHECKING and kind in ("start", "stop"):
            peer.hold(text)
        elif kind == "connection_init":
            self._init(peer, message)
        elif kind == "start":
            self._start(peer, message)
        elif kind == "stop" and (name := _name(message)) is not None:
            if peer.stop(name):
                peer.send(b'{"id":%b,"type":"complete"}' % encode_json(name))
        elif kind == "connection_terminate":
            peer.close(Close.NORMAL, "")
        else:
            peer.send(_legacy_error(_name(message), f"unknown message type {kind}"))

    @staticmethod
    def _init(peer: Peer, message: dict[str, Any]) -> None:
        if peer.stage != Stage.NEW:
            peer.close(Close.TOO_MANY_INITS, "Too many initialisation requests")
            return
        peer.stage = Stage.CHECKING
        peer.check(_object(message) or {})

    @staticmethod
    def _start(peer: Peer, message: dict[str, Any]) -> None:
        name, payload = _name(message), message.get("payload")
        if peer.stage != Stage.READY:  # GHSA-vpwc-v33q-mq89
            peer.close(Close.UNAUTHORIZED, "Unauthorized")
        elif name is None or not isinstance(payload, dict):
            peer.send(_legacy_error(name, "a start message needs an id and an object as its payload"))
        else:
            peer.stop(name)  # subscriptions-transport-ws ends the operation with the same id
            peer.start(name, payload)

    def accepted(self, peer: Peer) -> None:
        peer.stage = Stage.READY
        peer.send(b'{"type":"connection_ack"}')
        peer.send(b'{"type":"ka"}')
        for text in peer.held_back():
            self.received(peer, text)

    def refused(self, peer: Peer, message: str) -> None:
        peer.send(b'{"type":"connection_error","payload":%b}' % encode_json({"message": message}))
        peer.close(Close.PROTOCOL_ERROR, "Forbidden")

    def late(self, peer: Peer) -> None:
        peer.close(Close.INIT_TIMEOUT, "Connection initialisation timeout")

    def next(self, name: bytes, part: StreamPart) -> bytes:
        return b'{"id":%b,"type":"data","payload":%b}' % (name, part.body)

    def result(self, name: bytes, body: bytes) -> bytes:
        return b'{"id":%b,"type":"data","payload":%b}' % (name, body)

    def end(self, name: bytes, end: StreamEnd) -> bytes:
        if end.errors:
            return b'{"id":%b,"type":"error","payload":%b}' % (name, encode_json(end.errors[0]))
        return b'{"id":%b,"type":"complete"}' % name


def _legacy_error(name: str | None, message: str) -> bytes:
    return encode_json({"id": name, "type": "error", "payload": {"message": message}})


MACHINES: dict[str, Machine] = {TRANSPORT_WS: TransportWs(), LEGACY_WS: LegacyWs()}
