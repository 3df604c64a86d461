"""GraphQL over WebSocket, the side of the client: two sub-protocols as one state machine without I/O.

`graphql-transport-ws` is that of npm's graphql-ws; `graphql-ws` is the legacy one of
subscriptions-transport-ws. They differ in the tables at the end.

Example: a `WsClient(TRANSPORT_WS)` that subscribes before the server has acknowledged the connection waits.
For the message `{"type":"connection_ack"}` it returns `[Acknowledged(), Send(b'{"id":"1","type":
"subscribe",...}')]`, and for `{"id":"1","type":"next","payload":{"data":{}}}` it returns `[Next("1",
b'{"data":{}}')]`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from gateway.core.jsontext import NotJson, read_json
from gateway.wire.payloads import errors_body, not_json
from gateway.wire.stream_error import StreamError

BAD_MESSAGE = 4400  # the close code for a message that the protocol does not have


class Send(NamedTuple):
    """Send a text."""

    text: bytes


class Pong(NamedTuple):
    """Send a text, which may be omitted while the server does not read."""

    text: bytes


class Acknowledged(NamedTuple):
    """The server has accepted the connection, and the subscriptions that waited for it were sent."""


class Next(NamedTuple):
    """An event of a subscription: the body of a GraphQL response."""

    id: str
    body: bytes


class Ended(NamedTuple):
    """The server has ended a subscription. `body`: a GraphQL response with errors; None without errors."""

    id: str
    body: bytes | None


class Invalid(NamedTuple):
    """A subscription has failed, because the server has sent something for it that is not valid."""

    id: str
    reason: str


class Refused(NamedTuple):
    """The server has refused the connection. `reason`: what it says, "" if nothing."""

    reason: str


class Violated(NamedTuple):
    """The server broke the protocol: close the connection with BAD_MESSAGE."""

    reason: str


Action = Send | Pong | Acknowledged | Next | Ended | Invalid | Refused | Violated


class Message(msgspec.Struct):
    """A message of the server. `payload`: as JSON; empty if missing."""

    type: str
    id: str | None = None
    payload: msgspec.Raw = msgspec.Raw()


_read_message = msgspec.json.Decoder(Message).decode
Receiving = Callable[["WsClient", Message], Sequence[Action]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A sub-protocol.

    - `name`: in the handshake. `subscribe`, `cancel`: the types of the client's messages.
    - `ping`: the client's message that the server has to reply to; None if there is none.
    - `messages`: what to do with the server's messages, by their types. `strict`: whether any other type
      breaks the protocol, or else is ignored.
    """

    name: str
    subscribe: bytes
    cancel: bytes
    ping: bytes | None
    strict: bool
    messages: Mapping[str, Receiving]


class WsClient:
    """The subscriptions of one connection.

    `acknowledged`: whether the server has accepted the connection. `waiting`: the encoded requests of the
    subscriptions that wait for it, by id. `running`: the ids of those that were sent and have not ended.
    """

    __slots__ = ("_count", "acknowledged", "dialect", "running", "waiting")

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.acknowledged = False
        self.waiting: dict[str, bytes] = {}
        self.running: set[str] = set()
        self._count = 0

    @staticmethod
    def init(payload: bytes) -> bytes:
        """Return the first message. `payload`: a JSON object."""
        return b'{"type":"connection_init","payload":%b}' % payload

    def subscribe(self, request: bytes) -> tuple[str, Sequence[Send]]:
        """Start a subscription; return its id, and what to send now. `request`: GraphQL's, as JSON."""
        self._count += 1
        id = str(self._count)
        if not self.acknowledged:
            self.waiting[id] = request
            return id, ()
        return id, (self.start(id, request),)

    def start(self, id: str, request: bytes) -> Send:
        """Return the message that starts a subscription, which is running from now on."""
        self.running.add(id)
        return Send(b'{"id":"%b","type":"%b","payload":%b}' % (id.encode(), self.dialect.subscribe, request))

    def cancel(self, id: str) -> Sequence[Send]:
        """End a subscription; return what to send. Nothing is returned for it any more."""
        self.waiting.pop(id, None)
        if id not in self.running:
            return ()
        self.running.discard(id)
        return (Send(b'{"id":"%b","type":"%b"}' % (id.encode(), self.dialect.cancel)),)

    def receive(self, text: bytes) -> Sequence[Action]:
        """Return what to do about a message of the server."""
        try:
            message = _read_message(text)
        except (ValueError, RecursionError) as error:  # all errors of msgspec are ValueErrors
            return (Violated(str(not_json(text, error, "a message"))),)
        receiving = self.dialect.messages.get(message.type)
        if receiving is not None:
            return receiving(self, message)
        if self.dialect.strict:
            return (
                Violated(f"expected a message of {self.dialect.name}, got the type {message.type[:40]!r}"),
            )
        return ()


def _acknowledge(client: WsClient, message: Message) -> Sequence[Action]:
    if client.acknowledged:
        return ()
    client.acknowledged = True
    waiting, client.waiting = client.waiting, {}
    return (Acknowledged(), *(client.start(id, request) for id, request in waiting.items()))


def _next(client: WsClient, message: Message) -> Sequence[Action]:
    """Pass an event on; those of other subscriptions were sent before the server knew that they had ended."""
    id, body = message.id, bytes(message.payload)
    if id is None or id not in client.running:
        return ()
    if body[:1] != b"{":
        found = body[:20].decode(errors="replace") or "nothing"
        return (*client.cancel(id), Invalid(id, f"expected an object as an event, got {found}"))
    return (Next(id, body),)


def _error(client: WsClient, message: Message) -> Sequence[Action]:
    id = message.id
    if id is None or id not in client.running:
        return ()
    client.running.discard(id)
    try:
        return (Ended(id, errors_body(bytes(message.payload))),)
    except StreamError as error:
        return (Invalid(id, str(error)),)


def _complete(client: WsClient, message: Message) -> Sequence[Action]:
    id = message.id
    if id is None or id not in client.running:
        return ()
    client.running.discard(id)
    return (Ended(id, None),)


def _ping(client: WsClient, message: Message) -> Sequence[Action]:
    """Reply with the same payload; also before the acknowledgement."""
    payload = bytes(message.payload)
    return (Pong(b'{"type":"pong","payload":%b}' % payload if payload else b'{"type":"pong"}'),)


def _refuse(client: WsClient, message: Message) -> Sequence[Action]:
    """Read the reason: an object with a `message`, a text, or nothing."""
    payload = bytes(message.payload)
    try:
        found = read_json(payload) if payload else ""
    except NotJson:  # a number of thousands of digits was no error before
        found = ""
    reason = found.get("message") if isinstance(found, dict) else found
    return (Refused(reason[:200] if isinstance(reason, str) else ""),)


def _ignore(client: WsClient, message: Message) -> Sequence[Action]:
    return ()


TRANSPORT_WS = Dialect(
    "graphql-transport-ws",
    b"subscribe",
    b"complete",
    b'{"type":"ping"}',
    True,
    {
        "connection_ack": _acknowledge,
        "next": _next,
        "error": _error,
        "complete": _complete,
        "ping": _ping,
        "pong": _ignore,
    },
)
LEGACY_WS = Dialect(
    "graphql-ws",
    b"start",
    b"stop",
    None,
    False,
    {
        "connection_ack": _acknowledge,
        "connection_error": _refuse,
        "data": _next,
        "error": _error,
        "complete": _complete,
        "ka": _ignore,
    },
)
DIALECTS: Mapping[str, Dialect] = {one.name: one for one in (TRANSPORT_WS, LEGACY_WS)}
