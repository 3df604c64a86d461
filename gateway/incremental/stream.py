"""Executes an operation with @defer or @stream, and sends each part as soon as it is there.

Example: `{ product { name ... @defer { stock } } }`. The first payload has the name. Then the plan of the
part runs: the gateway replies to its first fetch with the product's key, which it already has; `stock` is
looked up; the second payload has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from gateway.core.envelope import Envelope, encoded_body
from gateway.core.errors import RequestError
from gateway.core.jsontext import encode_json, read_json
from gateway.core.streams import COMPLETED, PartSink, StreamPart
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import begin
from gateway.federation.field_set import FieldSetField
from gateway.incremental.formats import FORMATS, Announced, Delivered, Path
from gateway.incremental.objects import lists_at, objects_at, representation, selected, strip
from gateway.incremental.prepare import OBJECTS, Later, PreparedPart
from gateway.observe.facts import InternalFailure
from gateway.transport.base import Handle, Reply, Transport
from gateway.transport.known_reply import KnownReply


@dataclass(frozen=True, slots=True)
class _Running:
    """A part that runs, with its objects and what was announced for each."""

    part: PreparedPart
    announced: Sequence[Announced]
    keys: Sequence[dict[str, Any]]


class IncrementalStream:
    """The response to one operation; it is a `ResponseStream`. `form`: the name of its format."""

    is_incremental = True

    def __init__(self, later: Later, engine: Any, inputs: ExecutionInputs, form: str) -> None:
        self.later = later
        self.engine = engine
        self.inputs = inputs
        self.form = form

    def attach(self, sink: PartSink) -> "IncrementalRun":
        run = IncrementalRun(self, sink)
        run.handles.append(
            begin(self.engine, self.later.first, self.inputs, partial(run.first_answered, self.later))
        )
        return run


class IncrementalRun:
    """One execution. `handles`: what is in progress. `open`: how many parts are."""

    def __init__(self, stream: IncrementalStream, sink: PartSink) -> None:
        self.stream = stream
        self.sink: PartSink | None = sink
        self.form = FORMATS[stream.form]
        self.handles: list[Handle] = []
        self.numbers = count()
        self.open = 0

    def cancel(self) -> None:
        """Cancel everything that is in progress."""
        self.sink = None
        for handle in self.handles:
            handle.cancel()

    def renew(self, context: Any) -> None:
        """Do nothing: the response ends soon."""

    # the first payload

    def first_answered(self, later: Later, found: Envelope | BaseException) -> None:
        """Send the first payload, and begin the parts."""
        response = self._response(found)
        data = response.get("data")
        running = self._found(later.parts, data, ())
        lists = self._cut(later, data)
        strip(data)
        announced = [*(one.announced for one in lists), *(a for one in running for a in one.announced)]
        self._send(self.form.first(response, announced))
        self.open = len(running)
        if lists:
            self._send(self.form.next(lists, (), bool(running)))
        self._begin(running)

    def _cut(self, later: Later, data: Any) -> list[Delivered]:
        """Remove from lists with @stream what is sent after the first payload, and return it."""
        found = []
        for one in later.lists:
            for path, elements in lists_at(data, one.path):
                if len(elements) > one.initial:
                    rest = elements[one.initial :]
                    del elements[one.initial :]
                    strip(rest)
                    found.append(Delivered(self._announce(path, one.label), items=rest, start=one.initial))
        return found

    def _announce(self, path: Path, label: str | None) -> Announced:
        return Announced(str(next(self.numbers)), path, label)

    # parts

    def _found(self, parts: Sequence[PreparedPart], data: Any, at: Path) -> list[_Running]:
        """Return the parts that have objects in the data. `at`: where the data is in the response."""
        found = []
        for one in parts:
            part = one.part
            names = [key.name for key in part.key if isinstance(key, FieldSetField)]
            announced, keys = [], []
            for path, item in objects_at(data, part.path, at):
                key = representation(item, part.type, names)
                if key is not None:
                    announced.append(self._announce(path, part.deferred.label))
                    keys.append(key)
            if announced:
                found.append(_Running(one, announced, keys))
        return found

    def _begin(self, running: Sequence[_Running]) -> None:
        for one in running:
            part = one.part
            way: Transport = part.engine.queries
            if part.known is not None:
                field = part.known.lookups[0].selection.fields[0]
                objects = [selected(field.below, key) for key in one.keys]
                reply = Reply(200, encode_json({"data": {field.reply_key: objects}}))
                way = KnownReply(way, part.known.id, reply)
            self.handles.append(
                begin(part.engine, part.prepared, self.stream.inputs, partial(self._answered, one), way)
            )
        self._end_if_over()

    def _answered(self, one: _Running, found: Envelope | BaseException) -> None:
        """Send a part, and begin the parts inside it."""
        response = self._response(found)
        data, errors = response.get("data"), response.get("errors", [])
        items = [data] if one.part.known is None else listed(data, len(one.announced))
        delivered, running = [], []
        for number, (announced, item) in enumerate(zip(one.announced, items, strict=True)):
            mine = errors_of(errors, number, announced.path, one.part.known is not None)
            running += self._found(one.part.parts, item, announced.path)
            strip(item)
            delivered.append(Delivered(announced, item, errors=mine))
        self.open += len(running) - 1
        news = [a for found_part in running for a in found_part.announced]
        self._send(self.form.next(delivered, news, self.open > 0))
        self._begin(running)

    def _end_if_over(self) -> None:
        sink = self.sink
        if not self.open and sink is not None:
            self.sink = None
            sink.ended(COMPLETED)

    def _send(self, payload: dict[str, Any]) -> None:
        if self.sink is not None:
            self.sink.part(StreamPart(encode_json(payload)))

    def _response(self, found: Envelope | BaseException) -> dict[str, Any]:
        """Return the response of an execution as an object."""
        if isinstance(found, Envelope):
            response: dict[str, Any] = read_json(encoded_body(found))
            return response
        if isinstance(found, RequestError):
            return {"errors": [one.formatted() for one in found.errors], "data": None}
        context = self.stream.inputs.context
        context.observer.emit(InternalFailure(context.id, found))
        message = f"internal error; the gateway's log has the details under the id {context.id}"
        extensions = {"code": "INTERNAL_SERVER_ERROR", "id": context.id}
        return {"errors": [{"message": message, "extensions": extensions}], "data": None}


def listed(data: Any, count: int) -> list[Any]:
    """Return the objects in the data of a part's plan; None for each if there is no data."""
    found = data.get(OBJECTS) if isinstance(data, dict) else None
    return found if isinstance(found, list) else [None] * count


def errors_of(
    errors: Sequence[dict[str, Any]], number: int, path: Path, is_listed: bool
) -> list[dict[str, Any]]:
    """Return the errors of one object, with their places in the response.

    `number`: of the object in the plan's list; `is_listed`: whether there is one. `path`: of the object. An
    error without a place belongs to every object.
    """
    found = []
    for error in errors:
        at = error.get("path")
        if at is None:
            found.append(error)
        elif not is_listed:
            found.append({**error, "path": [*path, *at]})
        elif len(at) < 2 or at[1] == number:
            found.append({**error, "path": [*path, *at[2:]]})
    return found
