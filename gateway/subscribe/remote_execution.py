"""The execution of a stream by another worker of the host."""

from collections.abc import Mapping
from typing import Any

from gateway.core.clock import Timer
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.core.streams import SERVER_CLOSED, PartSink, StreamEnd, StreamPart, with_notice
from gateway.request.graphql_request import GraphQLRequest
from gateway.subscribe.event_execution import Subscription
from gateway.subscribe.group import Planned
from gateway.subscribe.workers import RemoteStream, Workers
from gateway.transport.streams import Streams

FIRST_PAUSE = 0.05  # seconds before the second owner in a row is asked; each further pause is twice as long
LONGEST_PAUSE = 2.0
OWNERS = 10  # that are asked in a row, without a part of any; then the client has to subscribe again
SETTLED = 60.0  # seconds after which the loss of an owner begins a new row
NO_OWNER = "none of {} processes in a row went on with the subscription; subscribe again"
MOVED = "the process that executed the subscription has ended; another one goes on"


class RemoteExecution:
    """A stream that the owner of its key executes.

    If that worker ends, the next owner goes on after the last cursor; without a cursor, the next part says
    that events may be missing. Owners that are lost one after the other are asked with growing pauses.

    `sink`: receives the parts; None after the end. `losses`: of owners in a row, the last one at `lost_at`.
    """

    def __init__(self, workers: Workers, owner: str, planned: Planned, sink: PartSink) -> None:
        self.workers = workers
        self.owner = owner
        self.planned = planned
        self.subscription: Subscription = planned.subscription
        self.sink: PartSink | None = sink
        self.stream: RemoteStream | None = None
        self.after: str | None = None
        self.notice: dict[str, Any] = {}
        self.losses = 0
        self.lost_at = 0.0
        self.timer: Timer | None = None

    @property
    def is_idle(self) -> bool:
        """Return True: parts are passed on as they arrive."""
        return True

    def begin(self, streams: Streams, after: str | None = None) -> None:
        self.after = after
        self._open(self.owner)

    def cancel(self) -> None:
        self.sink = None
        if self.stream is not None:
            self.stream.cancel()
        if self.timer is not None:
            self.timer.cancel()

    def _open(self, owner: str) -> None:
        self.owner = owner
        self.stream = self.workers.open(owner, asked_of(self.planned, self.after), self, self._lost)

    def _lost(self) -> None:
        """Go on at the next owner: at once after the first loss, later after a pause."""
        sink, clock = self.sink, self.workers.clock
        if sink is None:
            return
        if self.after is None:
            self.notice = {"gap": MOVED}
        now = clock.time()
        self.losses = 1 if now - self.lost_at > SETTLED else self.losses + 1
        self.lost_at = now
        if self.losses == 1:
            self._ask_next()
        elif self.losses <= OWNERS:
            pause = min(FIRST_PAUSE * 2 ** (self.losses - 2), LONGEST_PAUSE)
            self.timer = clock.call_at(now + pause, self._ask_next)
        else:
            self.sink = None
            error = RequestError(NO_OWNER.format(OWNERS), SERVER_CLOSED)
            sink.ended(StreamEnd([error.formatted()], is_temporary=True))

    def _ask_next(self) -> None:
        """Ask the next owner, which may be this worker: it then serves itself over its socket."""
        if self.sink is not None:
            self._open(self.workers.owner(self.planned.route) or self.workers.name)

    def part(self, part: StreamPart) -> None:
        """Receive a part from the owner."""
        if self.sink is None:
            return
        self.losses = 0
        if part.cursor is not None:
            self.after = part.cursor
        if self.notice:
            notice, self.notice = self.notice, {}
            part = StreamPart(with_notice(part.body, notice), part.cursor)
        self.sink.part(part)

    def ended(self, end: StreamEnd) -> None:
        """Receive the end. An owner that only shuts down is replaced."""
        sink = self.sink
        if sink is None:
            return
        if end.is_temporary and not self.workers.is_closing:
            self.workers.left(self.owner)
            self._lost()
            return
        self.sink = None
        sink.ended(end)


def asked_of(planned: Planned, after: str | None) -> dict[str, Any]:
    """Return what an owner needs to begin a stream."""
    request, headers = planned.request, planned.context.headers
    address = headers.address if isinstance(headers, RequestHeaders) else None
    raw = headers.raw if isinstance(headers, RequestHeaders) else encoded_headers(headers)
    return {
        "query": request.query,
        "variables": dict(planned.subscription.inputs.variables),
        "operation": request.operation_name,
        "after": after,
        "headers": list(raw.items()),
        "address": address,
    }


def encoded_headers(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return headers as bytes."""
    return {
        name.encode("latin-1", "replace"): text.encode("latin-1", "replace") for name, text in headers.items()
    }


def request_of(asked: Mapping[str, Any]) -> tuple[GraphQLRequest, RequestHeaders]:
    """Return the request and the headers that another worker asks with."""
    request = GraphQLRequest(asked["query"], asked["variables"], asked["operation"], after=asked["after"])
    headers = [(bytes(name), bytes(value)) for name, value in asked["headers"]]
    return request, RequestHeaders(headers, asked["address"])
