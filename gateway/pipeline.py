"""The page: what happens to a request, in order.

prepare: parse > validate > normalize > plan > compile, once per plan key (`answering` keeps the results).
run: fetch and merge > project, or the compiled plan (`execution` decides). Nothing is cached or timed here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode
from graphql.language import OperationDefinitionNode

from gateway.core.envelope import PRIVATE, UNSAID, Envelope
from gateway.core.errors import RequestError
from gateway.engine import Engine
from gateway.execute.compile.program import Program, compile_plan
from gateway.execute.exact_run import ExactRun
from gateway.execute.executor import run_plan
from gateway.execute.extensions import merge_extensions
from gateway.execute.inputs import ExecutionInputs
from gateway.execute.private_replies import is_private
from gateway.execute.sent_calls import SentCall
from gateway.observe.facts import PlanRunAgain
from gateway.plan.nodes import Fetch, Plan, Selection
from gateway.plan.planner import plan_operation
from gateway.request.normalize import normalize
from gateway.request.operation import Operation
from gateway.request.parse import parse_document, pick_operation
from gateway.request.validate import validate_document
from gateway.request.variables import coerce_variables, condition_variables
from gateway.shape.introspect import introspect, meta_fields, without_meta
from gateway.shape.project import Projector
from gateway.transport.base import Transport


@dataclass(frozen=True, slots=True)
class ValidDocument:
    """A document that is valid against the API schema.

    `conditions`: the variables in its @skip and @include; `labels`: the progressive overrides that may change
    its plan.
    """

    document: DocumentNode
    conditions: tuple[str, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """An operation ready to run for given values of its condition variables.

    `program` is its compiled plan, if it has one.
    """

    operation: Operation
    plan: Plan
    projector: Projector
    program: Program | None = None


class InvalidDocument(RequestError):
    """A document with validation errors, all of them."""

    def __init__(self, errors: tuple[RequestError, ...]) -> None:
        super().__init__(errors[0].message, errors[0].code)
        self._errors = errors

    @property
    def errors(self) -> tuple[RequestError, ...]:
        """Everything that validation found."""
        return self._errors


def check(engine: Engine, text: str) -> ValidDocument:
    """parse > validate. Raises RequestError; InvalidDocument with everything that validation found."""
    limits = engine.settings.limits
    document = parse_document(text, limits)
    if errors := validate_document(engine.supergraph.api, document, limits):
        raise InvalidDocument(errors)
    return ValidDocument(document, condition_variables(document), engine.labels.of(document))


def pick(checked: ValidDocument, name: str | None) -> OperationDefinitionNode:
    """The operation that a request names. Raises RequestError OPERATION_RESOLUTION_FAILURE."""
    return pick_operation(checked.document, name)


def variables_for(engine: Engine, node: OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    """The coerced variables of a request. Raises RequestError BAD_USER_INPUT."""
    return coerce_variables(engine.supergraph.api, node, given)


def prepare(
    engine: Engine,
    checked: ValidDocument,
    node: OperationDefinitionNode,
    variables: Mapping[str, Any],
    labels: frozenset[str] = frozenset(),
) -> PreparedOperation:
    """normalize > plan > compile, for the values of the condition variables and the progressive overrides
    that are on.
    """
    limits = engine.settings.limits
    operation = normalize(engine.supergraph, checked.document, node, variables, limits)
    if operation.kind == "subscription":
        raise RequestError("subscriptions are not served yet", "SUBSCRIPTIONS_NOT_SERVED")
    meta = meta_fields(operation)
    if meta and not engine.settings.introspection:
        raise RequestError("introspection is off", "INTROSPECTION_DISABLED")
    asked = without_meta(operation)
    plan = plan_operation(engine.graphs.of(labels), asked, limits.paths)
    whole = len(asked.selections) == len(operation.selections) and not meta
    program = None
    if engine.settings.compile and whole:
        program = compile_plan(engine.supergraph, asked, plan, engine.settings.extensions)
    return PreparedOperation(operation, plan, Projector(engine.supergraph, operation), program)


async def run(
    engine: Engine,
    prepared: PreparedOperation,
    inputs: ExecutionInputs,
    transport: Transport | None = None,
    sent_calls: Mapping[int, SentCall] | None = None,
) -> Envelope:
    """The exact path: fetch and merge > project. The response is an object (GraphQL spec, section 7.1).

    `transport`: used in place of the engine's. `sent_calls`: calls that the compiled path has already sent,
    by fetch id. When a field fails that the hasty plan has fetched for too many objects, the careful plan
    runs, and its result is returned.
    """
    way = transport or engine.transport
    this = await _run_plan(engine, prepared, prepared.plan, ExactRun(way, inputs, sent_calls or {}))
    if prepared.plan.careful is not None and _touches(this.errors, prepared.plan.hasty):
        engine.observer.emit(PlanRunAgain(inputs.context.id))
        this = await _run_plan(engine, prepared, prepared.plan.careful, ExactRun(way, inputs))
    data = prepared.projector.project(this.data, this.errors)
    response: dict[str, Any] = {"errors": this.errors, "data": data} if this.errors else {"data": data}
    if extensions := merge_extensions(this.extensions, engine.settings.extensions):
        response["extensions"] = extensions
    return Envelope(response, cache=PRIVATE if is_private(this.replies) else UNSAID)


async def _run_plan(engine: Engine, prepared: PreparedOperation, plan: Plan, this: ExactRun) -> ExactRun:
    inputs = this.inputs
    this.data.update(introspect(engine.supergraph.api, prepared.operation, inputs.variables))

    def goes_on(stage: Sequence[Fetch]) -> bool:
        return not prepared.projector.is_lost(this.data, root_keys(stage), this.errors)

    await run_plan(plan, this, goes_on)
    return this


def _touches(errors: Sequence[Mapping[str, Any]], keys: frozenset[str]) -> bool:
    """Whether an error is at or below one of these keys, or nobody knows where it is."""
    return any("path" not in error or not keys.isdisjoint(error["path"]) for error in errors)


def root_keys(stage: Sequence[Fetch]) -> set[str]:
    """The keys of the answer's root that the fetches of a stage bring."""
    lookups = (lookup for fetch in stage for lookup in fetch.lookups if not lookup.targets[0].path)
    return {key for lookup in lookups for key in _keys(lookup.selection)}


def _keys(selection: Selection) -> Iterator[str]:
    yield from (out.key for out in selection.fields)
    for _, inner in selection.fragments:
        yield from _keys(inner)
