"""The page: what happens to a request, in order.

prepare: parse > validate > normalize > plan, once per document, operation and values of condition variables (`app` keeps them).
run: fetch and merge > project. Each stage has its room; nothing is cached or timed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode
from graphql.language import OperationDefinitionNode

from gateway.core.errors import RequestError
from gateway.execute.compile.program import Program, Unusual, compile_plan
from gateway.execute.compile.run import Heard, Run, pass_through
from gateway.execute.context import Context
from gateway.execute.executor import run_plan
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
from gateway.transport.base import Headers, RawReply, Transport

GRAPHS = 16


@dataclass(frozen=True, slots=True)
class Engine:
    """What every request needs: the supergraph, the ways through it, the way to subgraphs, the settings.

    `graph` is the one without progressive overrides; those with some are made when they are first needed.
    """

    supergraph: Supergraph
    graph: Graph
    transport: Transport
    settings: Settings
    labels: LabelIndex = LabelIndex()
    graphs: dict[frozenset[str], Graph] = field(default_factory=dict)

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
    program = compile_plan(engine.supergraph, asked, plan) if engine.settings.compile and whole else None
    return Prepared(operation, plan, Projector(engine.supergraph.api, operation), program)


@dataclass(frozen=True, slots=True)
class Written:
    """A response, as a body or still as an object, and the subgraphs' replies that went into a body as they were."""

    response: bytes | dict[str, Any]
    replies: tuple[RawReply, ...] = ()


async def answer(engine: Engine, prepared: Prepared, variables: Mapping[str, Any], headers: Headers) -> Written:
    """The response: written by the compiled plan, or where that has come upon something unusual, by the exact path."""
    if prepared.program is None:
        return Written(await run(engine, prepared, variables, headers))
    timeout = engine.settings.timeout
    if prepared.program.through:
        reply, heard = await pass_through(prepared.program, engine.transport, variables, headers, timeout)
        if reply is not None:
            return Written(reply.body, (reply,))
        return Written(await run(engine, prepared, variables, headers, Heard(engine.transport, heard)))
    compiled = Run(prepared.program, engine.transport, variables, headers, timeout)
    try:
        body = await compiled.answer()
    except Unusual:
        return Written(await run(engine, prepared, variables, headers, Heard(engine.transport, compiled.heard)))
    return Written(body, tuple(one for one in compiled.heard.values() if isinstance(one, RawReply)))


async def run(
    engine: Engine,
    prepared: Prepared,
    variables: Mapping[str, Any],
    headers: Headers,
    transport: Transport | None = None,
) -> dict[str, Any]:
    """The exact path: fetch and merge > project. Returns the response (GraphQL spec, section 7.1)."""
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
    return {"errors": context.errors, "data": data} if context.errors else {"data": data}
