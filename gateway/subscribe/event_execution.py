"""Executes the events of one subscription: each event is the reply to the plan's first fetch.

Events are executed at the same time, up to a limit, and their responses leave in the order of the events.

Example: the events A and B arrive, the entities of B are there first. The response to B waits until that to A
has been passed on.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from gateway.core.context import RequestContext
from gateway.core.envelope import Envelope, encoded_body
from gateway.core.errors import SubgraphError
from gateway.core.jsontext import encode_json
from gateway.core.streams import COMPLETED, PartSink, StreamEnd, StreamPart, with_notice
from gateway.engine import Engine
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import begin
from gateway.observe.facts import InternalFailure, SubgraphFailed
from gateway.pipeline import PreparedOperation
from gateway.plan.nodes import Fetch
from gateway.request.operation import fields_of
from gateway.transport.base import Call, Handle, Reply
from gateway.transport.known_reply import KnownReply
from gateway.transport.streams import Streams
from gateway.transport.template import members_of, template_of

AT_ONCE = 16  # events of one subscription that are executed at the same time
OnEvent = Callable[[RequestContext, bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that is ready to run.

    `on_event`: the plugins' hooks for its events.
    """

    engine: Engine
    prepared: PreparedOperation
    inputs: ExecutionInputs
    on_event: Sequence[OnEvent] = ()

    @property
    def skips_null(self) -> bool:
        """Return whether clients receive nothing for an event whose field is null, by the settings."""
        own = self.engine.settings.subscriptions.redis.fields
        selected = fields_of(self.prepared.operation.selections)
        return any(own[one.name].skip_null for one in selected if one.name in own)

    @property
    def root(self) -> Fetch:
        """Return the fetch whose replies are the events."""
        return self.prepared.plan.fetches[0]

    def call(self) -> Call:
        """Return the call that opens the stream at the subgraph."""
        root = self.root
        members = members_of(root.variables, self.inputs.variables)
        return self.inputs.call(root, template_of(root.text, root.operation_name), members, ())


class _Turn:
    """An event, from its arrival until its response is passed on. `body`: of the response."""

    __slots__ = ("body", "cursor", "event", "handle", "notice")

    def __init__(self, event: bytes, cursor: str | None, notice: dict[str, Any]) -> None:
        self.event = event
        self.cursor = cursor
        self.notice = notice
        self.body: bytes | None = None
        self.handle: Handle | None = None


class EventExecution:
    """Executes the events of a subscription, and passes the responses to `sink`; it implements `Events`.

    - `limit`: how many events may wait. Beyond it the oldest one that has not started is dropped, and the
      next response says how many were.
    - `turns`: the events whose responses were not passed on. `running`: how many of them have started.
    - `end`: how the stream ends, after its last event; None while it goes on.
    - `settled`: called whenever all events were passed on, once the source has caught up.
    """

    def __init__(
        self, subscription: Subscription, sink: PartSink, limit: int, settled: Callable[[], object]
    ) -> None:
        self.subscription = subscription
        self.settled = settled
        self.sink: PartSink | None = sink
        self.limit = limit
        self.turns: deque[_Turn] = deque()
        self.running = 0
        self.notice: dict[str, Any] = {}
        self.end: StreamEnd | None = None
        self.is_caught_up = False
        self.skips_null = subscription.skips_null
        self.source: Handle | None = None

    def begin(self, streams: Streams, after: str | None = None) -> None:
        """Open the stream at its source. `after`: a cursor; events up to it are not sent again."""
        self.source = streams.open(self.subscription.call(), self, after)

    @property
    def is_idle(self) -> bool:
        """Return whether every event that has arrived was passed on."""
        return not self.turns

    def cancel(self) -> None:
        """End the stream at its source; nothing more is passed on."""
        self.sink = None
        if self.source is not None:
            self.source.cancel()
        for turn in self.turns:
            if turn.handle is not None:
                turn.handle.cancel()
        self.turns.clear()

    # Events

    def opened(self) -> None:
        """Do nothing: clients learn nothing of the moment when the source is open."""

    def caught_up(self) -> None:
        self.is_caught_up = True
        if not self.turns:
            self.settled()

    def event(self, body: bytes, cursor: str | None = None) -> None:
        if self.sink is None or self.end is not None:
            return
        for hook in self.subscription.on_event:
            body = hook(self.subscription.inputs.context, body) or body
        if len(self.turns) >= self.limit:
            self._drop_oldest()
        notice, self.notice = self.notice, {}
        self.turns.append(_Turn(body, cursor, notice))
        self._start_next()

    def backlog(self) -> int:
        return len(self.turns)

    def interrupted(self, reason: str) -> None:
        self.notice["gap"] = reason

    def completed(self) -> None:
        self._end(COMPLETED)

    def failed(self, error: SubgraphError) -> None:
        context, engine = self.subscription.inputs.context, self.subscription.engine
        name = self.subscription.root.subgraph
        engine.observer.emit(SubgraphFailed(name, error.code, error.message, context.id))
        extensions = {"code": error.code, "service": name, **error.extensions}
        errors = [{"message": f"subgraph {name} {error.message}", "extensions": extensions}]
        if engine.errors is not None:
            errors = engine.errors.applied(errors, context)
        self._end(StreamEnd(errors))

    # executing

    def _drop_oldest(self) -> None:
        """Drop the oldest event that has not started."""
        if self.running >= len(self.turns):
            return
        dropped = self.turns[self.running]
        del self.turns[self.running]
        for name, value in dropped.notice.items():
            self.notice.setdefault(name, value)
        self.notice["dropped"] = self.notice.get("dropped", 0) + 1

    def _start_next(self) -> None:
        while self.running < min(len(self.turns), AT_ONCE):
            turn = self.turns[self.running]
            self.running += 1
            self._start(turn)

    def _start(self, turn: _Turn) -> None:
        this = self.subscription
        way = KnownReply(this.engine.queries, this.root.id, Reply(200, turn.event))
        turn.handle = begin(this.engine, this.prepared, this.inputs, partial(self._answered, turn), way)

    def _answered(self, turn: _Turn, found: Envelope | BaseException) -> None:
        """Pass on the responses that no earlier one waits for."""
        turn.handle = None
        turn.body = encoded_body(found) if isinstance(found, Envelope) else self._internal_error(found)
        turns = self.turns
        while turns and (body := turns[0].body) is not None:
            self.running -= 1
            self._pass_on(turns.popleft(), body)
        self._start_next()
        if self.end is not None:
            self._end(self.end)
        elif self.is_caught_up and not turns:
            self.settled()

    def _pass_on(self, turn: _Turn, body: bytes) -> None:
        if self.sink is None:
            return
        if self.skips_null and is_null(body):
            self.notice = {**turn.notice, **self.notice}
            return
        notice = turn.notice if turn.cursor is None else {**turn.notice, "cursor": turn.cursor}
        self.sink.part(StreamPart(with_notice(body, notice), turn.cursor))

    def _end(self, end: StreamEnd) -> None:
        """End the stream, as soon as all events were passed on."""
        self.end = end
        if not self.turns and self.sink is not None:
            sink, self.sink = self.sink, None
            sink.ended(end)

    def _internal_error(self, error: BaseException) -> bytes:
        """Return the response to an event that could not be executed; only the log has the details."""
        context = self.subscription.inputs.context
        context.observer.emit(InternalFailure(context.id, error))
        message = f"internal error; the gateway's log has the details under the id {context.id}"
        extensions = {"code": "INTERNAL_SERVER_ERROR", "id": context.id}
        return encode_json({"errors": [{"message": message, "extensions": extensions}], "data": None})


class _Response(msgspec.Struct):
    data: dict[str, msgspec.Raw] | None = None


_response_of = msgspec.json.Decoder(_Response).decode


def is_null(body: bytes) -> bool:
    """Return whether the only field of a response is null."""
    data = _response_of(body).data
    return data is None or all(bytes(value) == b"null" for value in data.values())
