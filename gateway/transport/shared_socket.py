"""One WebSocket to a subgraph with its subscriptions: connecting, upgraded, acknowledged, and gone."""

import asyncio
import re
from collections.abc import Callable, Iterable
from functools import partial
from math import inf

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.core.jsontext import encode_json
from gateway.transport.base import Call, RawHeaders
from gateway.transport.headers import TRACING, Headers
from gateway.transport.socket_lost import SocketLost
from gateway.transport.stream_target import StreamTarget
from gateway.transport.streams import Events
from gateway.transport.tls import connection_fault
from gateway.transport.websocket import WebSocket
from gateway.wire.ws_client import (
    BAD_MESSAGE,
    DIALECTS,
    Acknowledged,
    Action,
    Ended,
    Invalid,
    Next,
    Pong,
    Refused,
    Send,
    Violated,
    WsClient,
)

TOLERANCE = 0.001  # seconds by which a timer may be early
FULL = 100
"""Subscriptions of one socket, at most: what Strawberry accepts on one, and this gateway itself."""
NORMAL = 1000
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")


class SocketSubscription:
    """A subscription over a socket. `events`: None after its end. `deadline`: for the acknowledgement."""

    __slots__ = ("deadline", "events", "id", "is_open", "socket", "subgraph", "timeout")

    def __init__(self, socket: "SharedSocket", call: Call, events: Events) -> None:
        self.socket = socket
        self.subgraph = call.subgraph
        self.events: Events | None = events
        self.deadline, self.timeout = call.deadline, call.timeout
        self.id = ""
        self.is_open = False

    def opened(self) -> None:
        """Report once that the request was sent over an acknowledged connection; no protocol says more."""
        if not self.is_open and self.events is not None:
            self.is_open = True
            self.events.opened()

    def event(self, body: bytes) -> None:
        """Pass an event on."""
        self.opened()
        if self.events is not None:
            self.events.event(body)

    def end(self, error: SubgraphError | None = None) -> None:
        """Pass on that the subscription has ended."""
        events, self.events = self.events, None
        if events is None:
            return
        if error is None:
            events.completed()
        else:
            events.failed(error)

    def fail(self, why: SocketLost) -> None:
        """Pass on that the subscription has failed."""
        error = SubgraphError(why.message, why.code, subgraph=self.subgraph, extensions=why.extensions)
        error.__cause__ = why.cause
        self.end(error)

    def cancel(self) -> None:
        if self.events is not None:
            self.events = None
            self.socket.cancel(self.id)


class SharedSocket:
    """A socket and its subscriptions by id.

    - `gone`: called once when the socket must not be used for further subscriptions.
    - `is_kept`: whether it remains open for some time without subscriptions, since `idle_since`.
    - `socket`: None until it is connected. `client`: the protocol. `due`: when `timer` fires.
    """

    def __init__(
        self,
        target: StreamTarget,
        headers: Headers,
        clock: Clock,
        gone: Callable[["SharedSocket"], None],
    ) -> None:
        self.target, self.clock = target, clock
        self.headers = sent_headers(headers)
        self.gone: Callable[[SharedSocket], None] | None = gone
        self.is_kept = True
        self.client = WsClient(DIALECTS[target.settings.protocol])
        self.subscriptions: dict[str, SocketSubscription] = {}
        self.socket: WebSocket | None = None
        self.timer: Timer | None = None
        self.due = inf
        self.idle_since = now = clock.time()
        self.acknowledged_by = now + target.settings.connect_timeout
        self.next_ping = inf
        self.connecting = asyncio.ensure_future(self._connect())
        self._set_timer(self.acknowledged_by)

    def __repr__(self) -> str:
        return f"SharedSocket({self.target.url}, {len(self.subscriptions)} subscriptions)"

    # subscriptions

    @property
    def is_full(self) -> bool:
        """Return whether further subscriptions need another socket."""
        return len(self.subscriptions) >= FULL

    def subscribe(self, call: Call, events: Events) -> SocketSubscription:
        """Start a subscription, as soon as the connection is acknowledged."""
        subscription = SocketSubscription(self, call, events)
        subscription.id, sends = self.client.subscribe(call.body)
        self.subscriptions[subscription.id] = subscription
        self._send(sends)
        if self.client.acknowledged:
            self.clock.call_soon(subscription.opened)
        else:
            self._set_timer(subscription.deadline)
        return subscription

    def cancel(self, id: str) -> None:
        """End a subscription at the subgraph."""
        if self.subscriptions.pop(id, None) is not None:
            self._send(self.client.cancel(id))
            self._check_idle()

    def release(self) -> None:
        """Close the socket as soon as it has no subscriptions."""
        self.is_kept = False
        if not self.subscriptions:
            self._close()

    def _check_idle(self) -> None:
        """Begin to wait for further subscriptions, if the last one has ended."""
        if self.subscriptions:
            return
        self.idle_since = self.clock.time()
        if self.is_kept:
            self._set_timer(self.idle_since + self.target.settings.idle)
        else:
            self._close()

    def _send(self, sends: Iterable[Send]) -> None:
        if self.socket is not None:
            for one in sends:
                self.socket.send(one.text)

    # SocketOwner

    async def _connect(self) -> None:
        target, settings = self.target, self.target.settings
        make = partial(WebSocket, settings.max_message, self.clock)
        try:
            self.socket = await target.dialer.connect(make, settings.connect_timeout)
        except TimeoutError as error:
            message = f"accepted no connection within {settings.connect_timeout:g} s"
            self.lost(SocketLost(message, "SUBGRAPH_UNREACHABLE", cause=error))
        except (OSError, UnicodeError) as error:  # UnicodeError: from encoding the host name
            self.lost(SocketLost(connection_fault(error), "SUBGRAPH_UNREACHABLE", cause=error))
        else:
            self.socket.open(self, target.host, target.path, settings.protocol, self.headers)

    def upgraded(self) -> None:
        self._send([Send(self.client.init(init_payload(self.headers)))])

    def text(self, payload: bytes) -> None:
        for action in self.client.receive(payload):
            if self.gone is None:
                return
            self._act(action)

    def _act(self, action: Action) -> None:
        match action:
            case Next(id, body):
                if (found := self.subscriptions.get(id)) is not None:
                    found.event(body)
            case Send():
                self._send([action])
            case Pong(text) if self.socket is not None:
                self.socket.reply(text)
            case Acknowledged():
                self._acknowledged()
            case Ended(id, body):
                self._ended(id, body)
            case Invalid(id, reason):
                self._invalid(id, f"sent an invalid event: {reason}")
            case Refused(reason):
                words = f"refused the connection: {reason}" if reason else "refused the connection"
                self.lost(SocketLost(words, "SUBGRAPH_ERROR"))
            case Violated(reason) if self.socket is not None:
                self.socket.violated(BAD_MESSAGE, reason)

    def _acknowledged(self) -> None:
        settings = self.target.settings
        now = self.clock.time()
        self.next_ping = now + settings.ping if settings.ping else inf
        self._set_timer(self._next_due())
        for subscription in self.subscriptions.values():
            self.clock.call_soon(subscription.opened)  # after the requests were sent

    def _ended(self, id: str, body: bytes | None) -> None:
        """End a subscription; `body`: a response with errors, which is its last event."""
        subscription = self.subscriptions.pop(id, None)
        if subscription is not None:
            if body is not None:
                subscription.event(body)
            subscription.end()
            self._check_idle()

    def _invalid(self, id: str, message: str) -> None:
        subscription = self.subscriptions.pop(id, None)
        if subscription is not None:
            subscription.fail(SocketLost(message, "SUBGRAPH_BAD_RESPONSE"))
            self._check_idle()

    def lost(self, why: SocketLost) -> None:
        subscriptions = [*self.subscriptions.values()]
        self._close()
        for subscription in subscriptions:
            subscription.fail(why)

    def _close(self) -> None:
        """Close the socket, and release everything."""
        gone, self.gone = self.gone, None
        if gone is None:
            return
        gone(self)
        self.subscriptions.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.socket is not None:
            self.socket.close(NORMAL, "")
        elif not self.connecting.done():
            self.connecting.cancel()

    # time

    def _set_timer(self, due: float) -> None:
        """Set the timer so that it fires at a time at the latest."""
        if self.gone is None or (self.timer is not None and self.due <= due):
            return
        if self.timer is not None:
            self.timer.cancel()
        self.timer, self.due = None, due
        if due < inf:
            self.timer = self.clock.call_at(due, self._timer_fired)

    def _next_due(self) -> float:
        """Return when something is due next."""
        settings = self.target.settings
        found = [inf] if self.subscriptions else [self.idle_since + settings.idle]
        if not self.client.acknowledged:
            found += (self.acknowledged_by, *(one.deadline for one in self.subscriptions.values()))
        elif self.socket is not None:
            found += (self.next_ping, self.socket.last + settings.silence if settings.silence else inf)
        return min(found)

    def _timer_fired(self) -> None:
        """Do what is due."""
        self.timer = None
        settings, now = self.target.settings, self.clock.time() + TOLERANCE
        if not self.client.acknowledged:
            self._check_opening(now)
        elif self.socket is not None and settings.silence and now >= self.socket.last + settings.silence:
            self.socket.abort()
            message = f"sent no byte over the WebSocket for {settings.silence:g} s"
            self.lost(SocketLost(message, "SUBGRAPH_TIMEOUT"))
        elif now >= self.next_ping:
            self._ping()
        if not self.subscriptions and now >= self.idle_since + settings.idle:
            self._close()
        self._set_timer(self._next_due())

    def _check_opening(self, now: float) -> None:
        """Fail the subscriptions whose deadline has passed, or all if that of the socket has."""
        if now >= self.acknowledged_by:
            limit = self.target.settings.connect_timeout
            self.lost(late(limit))
            return
        for one in [*self.subscriptions.values()]:
            if now >= one.deadline and self.subscriptions.pop(one.id, None) is not None:
                self.client.cancel(one.id)
                one.fail(late(one.timeout))
                self._check_idle()

    def _ping(self) -> None:
        """Ask the subgraph for a sign of life, by the protocol's ping if it has one."""
        self.next_ping = self.clock.time() + self.target.settings.ping
        if self.socket is None:
            return
        if self.client.dialect.ping is None:
            self.socket.ping()
        else:
            self.socket.send(self.client.dialect.ping)


def late(limit: float) -> SocketLost:
    """Return why a subscription has failed whose socket was not acknowledged. `limit`: in seconds."""
    return SocketLost(f"did not acknowledge the connection within {limit:g} s", "SUBGRAPH_TIMEOUT")


def sent_headers(headers: Headers) -> RawHeaders:
    """Return the headers for a socket: those that belong to no single request, and break no line."""
    return [
        (name, value)
        for name, value in headers.raw
        if name not in TRACING
        and not name.startswith(b"sec-websocket-")
        and _NAME.fullmatch(name)
        and _VALUE.fullmatch(value)
    ]


def init_payload(headers: RawHeaders) -> bytes:
    """Return the headers as the payload of `connection_init`; the values of several are joined."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return encode_json(found)
