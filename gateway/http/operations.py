"""The operations of one client that share a connection, whatever carries their messages: WebSocket, or the
stream of a single connection.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.core.context import RequestContext
from gateway.core.envelope import Envelope, encoded_body, error_envelope
from gateway.core.errors import RequestError
from gateway.core.jsontext import encode_json
from gateway.core.streams import COMPLETED, StreamEnd, StreamPart, Subscribed, end_with, with_notice
from gateway.http.endpoint import RequestHandler, internal_error_envelope
from gateway.http.read import DocumentFinder
from gateway.observe.facts import REQUEST
from gateway.request.graphql_request import GraphQLRequest
from gateway.transport.base import Handle
from gateway.wire.messages import Messages

FRAMES = 64  # different ids whose messages with one part are made only once
SHORT, SHARED = 24, 5_000  # bytes of a text, and number of texts, of which there is one object
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


_SHORT: dict[bytes, bytes] = {}


def shared_bytes(text: bytes) -> bytes:
    """Return the same object for equal short texts, since many clients call their operations "1".

    100,000 of them then need less memory, and are found faster.
    """
    if len(text) > SHORT or len(_SHORT) >= SHARED:
        return _SHORT.get(text, text)
    return _SHORT.setdefault(text, text)


class Operation:
    """One operation of a client, from its start to its end; it receives the parts of a subscription.

    - `tagged`: its id as JSON, after the tag of the connection. `running`: the execution, until it has
      ended. `subscribed`: its place in the stream of a subscription.
    - `dropped`: how many of its events were dropped since the last one that was sent.
    """

    __slots__ = ("context", "dropped", "peer", "running", "since", "subscribed", "tagged")

    def __init__(self, peer: "OperationPeer", name: str, context: RequestContext) -> None:
        self.peer: OperationPeer | None = peer
        self.tagged = shared_bytes(peer.tag + encode_json(name))
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
            self.ended(end_with(stream["errors"]))
            return
        if not isinstance(stream, bytes | Mapping):
            error = RequestError("expected one response, got a stream of another kind", "STREAM_NOT_ACCEPTED")
            self.ended(StreamEnd([error.formatted()]))
            return
        peer.send_for(self, peer.messages.result(self.name, encoded_body(envelope)))
        self.ended(COMPLETED)

    def _attach(self, stream: Any) -> None:
        context, self.context = self.context, None  # a subscriber needs no context of its own
        try:
            self.subscribed = stream.attach(self)
        except RequestError as error:
            self.ended(end_with([error.formatted()]))
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
        """Send the end, and forget the operation. A process that ends closes the connection instead: clients
        then connect again, while an error would be the end for them.
        """
        peer = self.peer
        if peer is None:
            return
        if end.is_temporary:
            peer.shutdown()
        else:
            peer.forget(self)
            peer.send_for(self, peer.messages.end(self.name, end))
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


class OperationPeer:
    """A connection with its operations. Subclasses send what they yield.

    `messages`: how results are written. `started`: the operations that run, by id; None if there are none.
    """

    __slots__ = ("door", "messages", "started")

    def __init__(self, door: Door, messages: Messages) -> None:
        self.door = door
        self.messages = messages
        self.started: dict[str, Operation] | None = None

    @property
    def tag(self) -> bytes:
        """Return what the frames of equal messages have in common; it has no quotation marks."""
        return self.messages.tag

    # for subclasses

    def send_for(self, operation: Operation, text: bytes) -> None:
        """Send a message of an operation."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """Close the connection so that the client connects again, as the process ends."""
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
            return self.frame(self.messages.result(operation.name, body))
        frame = part.written.get(operation.tagged)
        if frame is None:
            frame = self.frame(self.messages.next(operation.name, part))
            if len(part.written) < FRAMES:
                part.written[operation.tagged] = frame
        return frame

    # operations

    def begin(self, name: str, operation: Operation, request: GraphQLRequest | Exception) -> None:
        """Start an operation. `name`: its id. `request`: an exception if it could not be read.

        The operation is answered with OPERATION_LIMIT if too many run.
        """
        started = self.started = {} if self.started is None else self.started
        full = len(started) >= self.door.operations
        started[name] = operation
        try:
            if full:
                raise RequestError(MANY.format(self.door.operations), "OPERATION_LIMIT")
            if isinstance(request, Exception):
                raise request
            context = operation.context
            if context is not None:
                operation.running = self.door.handler.begin(request, context, operation.answered)
        except Exception as error:  # an internal error must still get a message
            operation.answered(error)

    def has(self, name: str) -> bool:
        return self.started is not None and name in self.started

    def stop(self, name: str) -> bool:
        operation = self.started.pop(name, None) if self.started is not None else None
        if operation is None:
            return False
        operation.cancel()
        return True

    def forget(self, operation: Operation) -> None:
        """Remove an operation that has ended."""
        started = self.started or {}
        name = next((name for name, one in started.items() if one is operation), None)
        if name is not None:
            del started[name]

    def stop_all(self) -> None:
        """End all operations without a message, since the connection is closed."""
        started, self.started = self.started, None
        for operation in (started or {}).values():
            operation.cancel()
