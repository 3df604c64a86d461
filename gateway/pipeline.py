"""The page: what happens to a request, in order.

prepare: parse > validate > normalize > plan, once per document, operation and values of condition variables (`app` keeps them).
run: fetch and merge > project. Each stage has its room; nothing is cached or timed here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from graphql import DocumentNode
from graphql.language import OperationDefinitionNode

from gateway.core.errors import RequestError
from gateway.execute.compile.program import Program, compile_plan
from gateway.execute.compile.run import Heard, Hearings, Run, Running, Through
from gateway.execute.context import Context
from gateway.execute.executor import run_plan
from gateway.execute.extensions import merge_extensions
from gateway.execute.loader.loader import Loader
from gateway.execute.unshared import is_private
from gateway.plan.nodes import Fetch, Plan
from gateway.plan.planner import plan_operation
from gateway.request.labels import LabelIndex
from gateway.request.normalize import normalize
from gateway.request.operation import Operation
from gateway.request.parse import parse_document, pick_operation
from gateway.request.validate import validate_document
from gateway.request.variables import coerce_variables, condition_variables
from gateway.settings import Settings
from gateway.shape.introspect import introspect, meta_fields, without_meta
from gateway.shape.project import Projector
from gateway.supergraph.graph import Graph
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Handle, Headers, RawReply, Transport

GRAPHS = 16


@dataclass(frozen=True, slots=True)
class Engine:
    """What every request needs: the supergraph, the ways through it, the way to subgraphs, the settings.

    `graph` is the one without progressive overrides; those with some are made when they are first needed. `loader` batches entity
    fetches across requests; without one, each request asks for itself.
    """

    supergraph: Supergraph
    graph: Graph
    transport: Transport
    settings: Settings
    labels: LabelIndex = LabelIndex()
    graphs: dict[frozenset[str], Graph] = field(default_factory=dict)
    loader: Loader | None = None

    def graph_for(self, labels: frozenset[str]) -> Graph:
        """The ways through the supergraph while these progressive overrides are on."""
        if not labels:
            return self.graph
        if labels not in self.graphs:
            if len(self.graphs) >= GRAPHS:
                self.graphs.pop(next(iter(self.graphs)))
            self.graphs[labels] = Graph(self.supergraph, labels)
        return self.graphs[labels]


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that is valid against the API schema; the variables and the progressive overrides that its plan depends on."""

    document: DocumentNode
    conditions: tuple[str, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation ready to run for given values of its condition variables. `program` is the compiled plan, where it has one."""

    operation: Operation
    plan: Plan
    projector: Projector
    program: Program | None = None


class InvalidDocument(RequestError):
    """A document with validation errors, all of them."""

    def __init__(self, errors: tuple[RequestError, ...]) -> None:
        super().__init__(errors[0].message, errors[0].code)
        self.errors = errors


def check(engine: Engine, text: str) -> Checked:
    """parse > validate. Raises RequestError; InvalidDocument with everything that validation found."""
    limits = engine.settings.limits
    document = parse_document(text, limits)
    if errors := validate_document(engine.supergraph.api, document, limits):
        raise InvalidDocument(errors)
    return Checked(document, condition_variables(document), engine.labels.of(document))


def pick(checked: Checked, name: str | None) -> OperationDefinitionNode:
    """The operation that a request names."""
    return pick_operation(checked.document, name)


def variables_for(engine: Engine, node: OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    """The coerced variables of a request."""
    return coerce_variables(engine.supergraph.api, node, given)


def prepare(
    engine: Engine,
    checked: Checked,
    node: OperationDefinitionNode,
    variables: Mapping[str, Any],
    labels: frozenset[str] = frozenset(),
) -> Prepared:
    """normalize > plan, for the values of the condition variables in `variables` and the progressive overrides that are on."""
    limits = engine.settings.limits
    operation = normalize(engine.supergraph.api, checked.document, node, variables, limits)
    if operation.kind == "subscription":
        raise RequestError("subscriptions are not served yet", "SUBSCRIPTIONS_NOT_SERVED")
    meta = meta_fields(operation)
    if meta and not engine.settings.introspection:
        raise RequestError("introspection is off", "INTROSPECTION_DISABLED")
    asked = without_meta(operation)
    plan = plan_operation(engine.graph_for(labels), asked, limits.paths)
    whole = len(asked.selections) == len(operation.selections) and not meta
    program = None
    if engine.settings.compile and whole:
        program = compile_plan(engine.supergraph, asked, plan, engine.settings.extensions)
    return Prepared(operation, plan, Projector(engine.supergraph.api, operation), program)


@dataclass(frozen=True, slots=True)
class Written:
    """A response, as a body or still as an object. `private`: a subgraph has said that its part is for one user alone."""

    response: bytes | dict[str, Any]
    private: bool = False

    def as_body(self) -> "Written":
        """The same, written once for all who take it; as it is where JSON can't hold it."""
        if isinstance(self.response, bytes):
            return self
        try:
            return Written(orjson.dumps(self.response, option=orjson.OPT_NON_STR_KEYS), self.private)
        except TypeError:
            return self


Answered = Callable[[Written | BaseException], None]


class Execution:
    """One execution: by the compiled plan, and where that comes upon something unusual, by the exact path. Calls back once."""

    __slots__ = ("answered", "engine", "headers", "prepared", "under_way", "variables")

    def __init__(
        self, engine: Engine, prepared: Prepared, variables: Mapping[str, Any], headers: Headers, answered: Answered
    ) -> None:
        self.engine = engine
        self.prepared = prepared
        self.variables = variables
        self.headers = headers
        self.answered = answered
        self.under_way: Handle | None = None

    def begin(self) -> None:
        """Send the first requests."""
        engine, program = self.engine, self.prepared.program
        if program is None:
            self.exactly({})
            return
        timeout = engine.settings.timeout
        running: Running
        if program.through:
            running = Through(program, engine.transport, self.variables, self.headers, timeout, self.ended)
        else:
            running = Run(program, engine.transport, self.loader, self.variables, self.headers, timeout, self.ended)
        self.under_way = running
        running.begin()

    @property
    def loader(self) -> Loader | None:
        """What batches entity fetches; a mutation shares nothing."""
        return self.engine.loader if self.prepared.plan.kind == "query" else None

    def cancel(self) -> None:
        """See Handle."""
        if self.under_way is not None:
            self.under_way.cancel()

    def ended(self, body: bytes | None, heard: Hearings) -> None:
        """The compiled plan is through, or has to leave it to the exact path."""
        self.under_way = None  # no circle is left for the garbage collector, here and below
        if body is None:
            self.exactly(heard)
        else:
            replies = [one.raw_headers for one in heard.values() if isinstance(one, RawReply)]
            self.answered(Written(body, is_private(replies)))

    def exactly(self, heard: Hearings) -> None:
        """Run the exact path in a task."""
        way = self.loader or self.engine.transport
        transport = Heard(way, heard) if heard else way
        task = asyncio.ensure_future(run(self.engine, self.prepared, self.variables, self.headers, transport))
        task.add_done_callback(self.over)
        self.under_way = task

    def over(self, task: "asyncio.Task[Written]") -> None:
        """The exact path is through."""
        self.under_way = None
        if not task.cancelled():
            self.answered(task.exception() or task.result())


async def awaited(start: Callable[[Answered], Handle | None]) -> Written | None:
    """What a start calls back with, None if it starts nothing; when the caller is cancelled, so is what was started."""
    future: asyncio.Future[Written | BaseException] = asyncio.get_running_loop().create_future()

    def answered(found: Written | BaseException) -> None:
        if not future.done():
            future.set_result(found)

    handle = start(answered)
    if handle is None:
        return None
    try:
        found = await future
    finally:
        handle.cancel()
    if isinstance(found, BaseException):
        raise found
    return found


def begin(
    engine: Engine, prepared: Prepared, variables: Mapping[str, Any], headers: Headers, answered: Answered
) -> Handle:
    """Begin an execution; `answered` is called back once, never before this returns."""
    execution = Execution(engine, prepared, variables, headers, answered)
    execution.begin()
    return execution


async def answer(engine: Engine, prepared: Prepared, variables: Mapping[str, Any], headers: Headers) -> Written:
    """One execution, awaited."""
    written = await awaited(partial(begin, engine, prepared, variables, headers))
    assert written is not None  # noqa: S101 - an execution always begins
    return written


async def run(
    engine: Engine,
    prepared: Prepared,
    variables: Mapping[str, Any],
    headers: Headers,
    transport: Transport | None = None,
) -> Written:
    """The exact path: fetch and merge > project. The response is an object (GraphQL spec, section 7.1)."""
    context = Context(transport or engine.transport, variables, headers, engine.settings.timeout)
    context.data.update(introspect(engine.supergraph.api, prepared.operation, variables))

    def goes_on(stage: Sequence[Fetch]) -> bool:
        keys = {
            out.key
            for fetch in stage
            for lookup in fetch.lookups
            if not lookup.targets[0].path
            for out in lookup.selection.fields
        }
        return not prepared.projector.is_lost(context.data, keys, context.errors)

    await run_plan(prepared.plan, context, goes_on)
    data = prepared.projector.project(context.data, context.errors)
    response: dict[str, Any] = {"errors": context.errors, "data": data} if context.errors else {"data": data}
    if extensions := merge_extensions(context.extensions, engine.settings.extensions):
        response["extensions"] = extensions
    return Written(response, is_private(context.replies))
