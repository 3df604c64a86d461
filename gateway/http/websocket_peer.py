"""The operations of one WebSocket connection, whatever carries its messages; it implements `wire.Peer`."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

from gateway.core.context import Identity, RequestContext
from gateway.core.envelope import Envelope, encoded_body, error_envelope
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.core.jsontext import encode_json
from gateway.core.streams import COMPLETED, StreamEnd, StreamPart, Subscribed, with_notice
from gateway.http.endpoint import RequestHandler, internal_error_envelope
from gateway.http.read import DocumentFinder, from_payload
from gateway.observe.facts import REQUEST, InternalFailure
from gateway.transport.base import Handle
from gateway.wire.messages import Close, Machine, Stage

FRAMES = 64  # different ids whose messages with one part are made only once
HELD = 100_000  # bytes of the messages that wait until `connection_init` is accepted
MANY = "expected at most {:,} operations of one connection at the same time; end one first"


class Door(Protocol):
    """What a connection needs of the door that it came by."""

    @property
    def handler(self) -> RequestHandler:
        """Return what answers requests; a reload replaces it."""
        ...

    @property
    def finder(self) -> DocumentFinder | None:
        """Return what finds the ids of documents in requests; None if they have none."""
        ...

    @property
    def operations(self) -> int:
        """Return how many operations of one connection may run at the same time."""
        ...

    def headers_with(self, headers: RequestHeaders, payload: Mapping[str, Any]) -> RequestHeaders:
        """Return the headers of a connection with those in the payload of a message."""
        ...


class Operation:
    """One operation of a client, from its start to its end; it receives the parts of a subscription.

    - `tagged`: its id as JSON, after the tag of the connection. `running`: the execution, until it has
      ended. `subscribed`: its place in the stream of a subscription.
    - `dropped`: how many of its events were dropped since the last one that was sent.
    """

    __slots__ = ("context", "dropped", "peer", "running", "since", "subscribed", "tagged")

    def __init__(self, peer: "WebSocketPeer", name: str, context: RequestContext) -> None:
        self.peer: WebSocketPeer | None = peer
        self.tagged = peer.tag + encode_json(name)
        self.context: RequestContext | None = context
        self.dropped = 0
        self.running: Handle | None = None
        self.subscribed: Subscribed | None = None
        observer = context.observer
        self.since = observer.started(REQUEST, context) if observer.watches_stages else 0.0

    @property
    def name(self) -> bytes:
        """Return the id as JSON."""
        return self.tagged[self.tagged.index(b'"') :]

    def answered(self, found: Envelope | BaseException) -> None:
        """Send the result of a query or mutation, or begin to receive the parts of a subscription."""
        peer, context = self.peer, self.context
        if peer is None or context is None:
            return
        self.running = None
        envelope = envelope_for(found, context)
        stream = envelope.response
        if hasattr(stream, "attach"):
            self._attach(stream)
            return
        self._end_stage(envelope)
        if envelope.refused is not None and isinstance(stream, Mapping):
            self.ended(StreamEnd(stream["errors"]))
            return
        if not isinstance(stream, bytes | Mapping):
            error = RequestError("expected one response, got a stream of another kind", "STREAM_NOT_ACCEPTED")
            self.ended(StreamEnd([error.formatted()]))
            return
        peer.send_for(self, peer.machine.result(self.name, encoded_body(envelope)))
        self.ended(COMPLETED)

    def _attach(self, stream: Any) -> None:
        context, self.context = self.context, None  # a subscriber needs no context of its own
        try:
            self.subscribed = stream.attach(self)
        except RequestError as error:
            self.ended(StreamEnd([error.formatted()]))
        if context is not None and context.observer.watches_stages:
            context.observer.ended(REQUEST, context, self.since)

    def _end_stage(self, envelope: Envelope) -> None:
        context = self.context
        if context is not None and context.observer.watches_stages:
            context.observer.ended(
                REQUEST, context, self.since, error=None if envelope.refused is None else "refused"
            )

    def part(self, part: StreamPart) -> None:
        """Send a part of a subscription."""
        peer = self.peer
        if peer is not None:
            peer.write_part(self, part)

    def ended(self, end: StreamEnd) -> None:
        """Send the end, and forget the operation."""
        peer = self.peer
        if peer is not None:
            peer.forget(self)
            peer.send_for(self, peer.machine.end(self.name, end))
            self.peer = None

    def cancel(self) -> None:
        """End the operation without a message."""
        self.peer = None
        for one in (self.running, self.subscribed):
            if one is not None:
                one.cancel()
        self.running = self.subscribed = None


def envelope_for(found: Envelope | BaseException, context: RequestContext) -> Envelope:
    """Return the envelope for the outcome of a request."""
    if isinstance(found, Envelope):
        return found
    if isinstance(found, RequestError):
        return error_envelope(found)
    return internal_error_envelope(found, context)


class WebSocketPeer:
    """A connection as its sub-protocol sees it. Subclasses send and receive.

    - `headers`: those of the handshake, with those in the payload of `connection_init`.
    - `started`: the operations that run, by id; None if there are none.
    - `early`: the messages that wait until `connection_init` is accepted; None if there are none.
    """

    __slots__ = ("door", "early", "headers", "machine", "pending", "stage", "started")

    def __init__(self, door: Door, machine: Machine, headers: RequestHeaders) -> None:
        self.door = door
        self.machine = machine
        self.headers = headers
        self.stage = Stage.NEW
        self.started: dict[str, Operation] | None = None
        self.pending: asyncio.Task[None] | None = None
        self.early: list[bytes] | None = None

    @property
    def tag(self) -> bytes:
        """Return what the frames of equal messages have in common; it has no quotation marks."""
        return self.machine.tag

    # for subclasses

    def send(self, text: bytes) -> None:
        """Send a message."""
        raise NotImplementedError

    def send_for(self, operation: Operation, text: bytes) -> None:
        """Send a message of an operation."""
        raise NotImplementedError

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        raise NotImplementedError

    def frame(self, text: bytes) -> bytes:
        """Return a message as it is written, if it may be written many times."""
        raise NotImplementedError

    def write_part(self, operation: Operation, part: StreamPart) -> None:
        """Write a part of a subscription, which may be dropped if the client reads too slowly."""
        raise NotImplementedError

    # parts

    def frame_of(self, operation: Operation, part: StreamPart) -> bytes:
        """Return the frame with a part; clients with the same id of the operation receive the same bytes.

        It says how many parts were dropped before it.
        """
        if operation.dropped:
            body = with_notice(part.body, {"dropped": operation.dropped})
            operation.dropped = 0
            return self.frame(self.machine.result(operation.name, body))
        frame = part.written.get(operation.tagged)
        if frame is None:
            frame = self.frame(self.machine.next(operation.name, part))
            if len(part.written) < FRAMES:
                part.written[operation.tagged] = frame
        return frame

    # Peer

    def check(self, payload: dict[str, Any]) -> None:
        self.headers = self.door.headers_with(self.headers, payload)
        handler = self.door.handler
        context = handler.context(self.headers)
        try:
            found = handler.identify(context)
        except Exception as error:
            self._not_identified(error, context)
            return
        if isinstance(found, Identity):
            self.machine.accepted(self)
        else:
            self.pending = asyncio.ensure_future(self._check_later(found, context))

    async def _check_later(self, found: Awaitable[Identity], context: RequestContext) -> None:
        try:
            await found
        except Exception as error:
            self._not_identified(error, context)
        else:
            if self.stage == Stage.CHECKING:
                self.machine.accepted(self)
        finally:
            self.pending = None

    def _not_identified(self, error: Exception, context: RequestContext) -> None:
        """Refuse the caller, or report an unexpected exception."""
        if isinstance(error, RequestError):
            self.machine.refused(self, error.message)
            return
        context.observer.emit(InternalFailure(context.id, error))
        self.close(Close.INTERNAL, "Internal server error")

    def renew(self, payload: dict[str, Any]) -> None:
        headers = self.door.headers_with(self.headers, payload)
        if headers is self.headers:
            return
        self.headers = headers
        for operation in list((self.started or {}).values()):
            if operation.subscribed is not None:
                operation.subscribed.renew(self.door.handler.context(headers))

    def has(self, name: str) -> bool:
        return self.started is not None and name in self.started

    def start(self, name: str, payload: dict[str, Any]) -> None:
        handler = self.door.handler
        extensions = payload.get("extensions")
        given = extensions.get("headers") if isinstance(extensions, dict) else None
        headers = self.door.headers_with(self.headers, given) if isinstance(given, dict) else self.headers
        operation = Operation(self, name, handler.context(headers))
        if self.started is None:
            self.started = {}
        full = len(self.started) >= self.door.operations
        self.started[name] = operation
        try:
            if full:
                raise RequestError(MANY.format(self.door.operations), "OPERATION_LIMIT")
            request = from_payload(payload, False, self.door.finder)
            context = operation.context
            if context is not None:
                operation.running = handler.begin(request, context, operation.answered)
        except Exception as error:  # an internal error must still get a message
            operation.answered(error)

    def stop(self, name: str) -> bool:
        operation = self.started.pop(name, None) if self.started is not None else None
        if operation is None:
            return False
        operation.cancel()
        return True

    def hold(self, text: bytes) -> None:
        early = self.early = self.early or []
        early.append(text)
        if len(early) > self.door.operations or sum(map(len, early)) > HELD:
            self.close(Close.BAD_REQUEST, "Too many messages before connection_ack")

    def held_back(self) -> Sequence[bytes]:
        early, self.early = self.early, None
        return early or ()

    def forget(self, operation: Operation) -> None:
        """Remove an operation that has ended."""
        started = self.started or {}
        name = next((name for name, one in started.items() if one is operation), None)
        if name is not None:
            del started[name]

    def stop_all(self) -> None:
        """End all operations without a message, since the connection is closed."""
        self.stage, self.early = Stage.CLOSED, None
        if self.pending is not None:
            self.pending.cancel()
        started, self.started = self.started, None
        for operation in (started or {}).values():
            operation.cancel()
