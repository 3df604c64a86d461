"""Streams of events by HTTP callback 1.0: the subgraph posts each event to the gateway.

The gateway posts the subscription with the URL of a callback, an id and a verifier. The subgraph posts
`check` to that URL before it replies, again as a heartbeat, then `next` for each event, and `complete`. When
a subscription has ended here, the next post gets the status 404, and the subgraph stops.

See https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/callback-protocol.
"""

import hmac
import secrets
from collections.abc import Hashable
from typing import Any

import msgspec

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.core.jsontext import encode_json
from gateway.transport.base import Call, Handle, Outcome, Transport
from gateway.transport.streams import Events

ACCEPT = "application/json;callbackSpec=1.0"
PROTOCOL_HEADER = (b"subscription-protocol", b"callback/1.0")
MISSED = 2.5  # intervals without a heartbeat, after which the stream is broken
NO_CONTENT, BAD_REQUEST, FORBIDDEN, NOT_FOUND = 204, 400, 403, 404


NULL = msgspec.Raw(b"null")


class Post(msgspec.Struct):
    """The body of a post to the callback."""

    kind: str
    action: str
    id: str
    verifier: str
    payload: msgspec.Raw = NULL
    errors: list[Any] | None = None


_read_post = msgspec.json.Decoder(Post).decode


class CallbackStream:
    """One subscription. `heard`: the clock's time of the last post. `events`: None after the end."""

    def __init__(self, streams: "CallbackStreams", call: Call, events: Events, name: str) -> None:
        self.streams = streams
        self.subgraph = call.subgraph
        self.events: Events | None = events
        self.name = name
        self.verifier = secrets.token_urlsafe(24)
        self.is_checked = False
        self.heard = streams.clock.time()
        self.request: Handle | None = None
        self.timer: Timer | None = None

    def cancel(self) -> None:
        """Forget the subscription: the subgraph's next post gets 404."""
        self.events = None
        self.streams.open_streams.pop(self.name, None)
        if self.request is not None:
            self.request.cancel()
        if self.timer is not None:
            self.timer.cancel()

    def replied(self, outcome: Outcome) -> None:
        """Receive the reply to the subscription."""
        self.request = None
        events = self.events
        if events is None:
            return
        if isinstance(outcome, Exception):
            known = isinstance(outcome, SubgraphError)
            self.fail(outcome if known else self._error("could not be reached", "SUBGRAPH_UNREACHABLE"))
        elif outcome.status >= 300:
            self.fail(self._error(f"replied with HTTP status {outcome.status}", "SUBGRAPH_HTTP_ERROR"))
        elif b'"errors"' in outcome.body:
            self.cancel()
            events.event(outcome.body)
            events.completed()
        elif not self.is_checked:
            message = "has accepted a subscription without a `check` to the callback; is it callback/1.0?"
            self.fail(self._error(message, "SUBGRAPH_BAD_RESPONSE"))
        else:
            events.opened()

    def fail(self, error: BaseException) -> None:
        """End with an error."""
        events = self.events
        self.cancel()
        if events is not None and isinstance(error, SubgraphError):
            events.failed(error)

    def _error(self, message: str, code: str) -> SubgraphError:
        return SubgraphError(message, code, subgraph=self.subgraph)

    def received(self, post: Post) -> int:
        """Process a post of the subgraph; return the HTTP status."""
        events = self.events
        if events is None:
            return NOT_FOUND
        if not hmac.compare_digest(post.verifier.encode(), self.verifier.encode()):
            return FORBIDDEN
        self.heard = self.streams.clock.time()
        if post.action in ("check", "heartbeat"):
            self.is_checked = True
        elif post.action == "next" and bytes(post.payload) != b"null":
            events.event(bytes(post.payload))
        elif post.action == "complete":
            self.cancel()
            if post.errors:
                events.event(encode_json({"errors": post.errors}))
            events.completed()
        else:
            return BAD_REQUEST
        return NO_CONTENT

    def watch(self) -> None:
        """End the stream if heartbeats are missing; look again later."""
        interval, clock = self.streams.heartbeat, self.streams.clock
        if self.events is None or not interval:
            return
        now = clock.time()
        if now - self.heard > interval * MISSED:
            message = f"has sent no heartbeat for {interval * MISSED:g} s"
            self.fail(self._error(message, "SUBGRAPH_TIMEOUT"))
        else:
            self.timer = clock.call_at(now + interval, self.watch)


class CallbackStreams:
    """The subscriptions by HTTP callback.

    - `transport`: posts the subscriptions. `url`: the public URL of the callback, without the id.
    - `heartbeat`: seconds between two heartbeats; 0 for none. `worker`: the name of this process, which
      begins the ids of its subscriptions; "" if there is only one.
    """

    def __init__(self, transport: Transport, url: str, heartbeat: float, clock: Clock) -> None:
        self.transport = transport
        self.url = url.rstrip("/")
        self.heartbeat = heartbeat
        self.clock = clock
        self.worker = ""
        self.open_streams: dict[str, CallbackStream] = {}

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        name = f"{self.worker}~{secrets.token_urlsafe(24)}"
        stream = self.open_streams[name] = CallbackStream(self, call, events, name)
        details = {
            "callbackUrl": f"{self.url}/{name}",
            "subscriptionId": name,
            "verifier": stream.verifier,
            "heartbeatIntervalMs": int(self.heartbeat * 1_000),
        }
        asked = call.extended({"subscription": details}, call.headers.adding([("accept", ACCEPT)]))
        stream.request = self.transport.post(asked, stream.replied)
        stream.watch()
        return stream

    def receive(self, name: str, body: bytes) -> int:
        """Process a post to the callback with this id; return the HTTP status."""
        stream = self.open_streams.get(name)
        if stream is None:
            return NOT_FOUND
        try:
            post = _read_post(body)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return BAD_REQUEST
        if post.kind != "subscription" or post.id != name:
            return BAD_REQUEST
        return stream.received(post)

    def resumes(self, call: Call) -> bool:
        return False

    def source(self, call: Call) -> Hashable:
        return self.url

    async def close(self) -> None:
        """Do nothing: the transport belongs to the gateway."""
