"""The stages of a request, in order.

prepare: parse > validate > normalize > plan > compile, once per plan key (`prepared_operations` caches the
results).
run: fetch and merge > project, or the compiled plan (`execution` decides). Nothing is cached or timed here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode
from graphql.language import OperationDefinitionNode

from gateway.core.envelope import NO_CACHE_POLICY, PRIVATE, CachePolicy, Envelope
from gateway.core.errors import RequestError
from gateway.cost.operation import CostOfOperation
from gateway.engine import Engine
from gateway.execute.cached.parts import parts_of
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
from gateway.request.authorize import Authorized, Requirements, Unauthorized, authorize, without_denied
from gateway.request.normalize import normalize
from gateway.request.operation import Operation
from gateway.request.parse import parse_document, pick_operation
from gateway.request.validate import validate_document
from gateway.request.variables import coerce_variables, condition_variables, is_incremental
from gateway.shape.introspect import introspect, meta_fields, without_meta
from gateway.shape.project import Projector
from gateway.supergraph.metadata import Access
from gateway.transport.base import Transport


@dataclass(frozen=True, slots=True)
class ValidDocument:
    """A document that is valid against the API schema.

    `conditions`: the names of the variables in its @skip and @include. `labels`: the labels of progressive
    @overrides that may change its plan. `access`: the access requirements of its fields. `is_incremental`:
    whether it has @defer or @stream.
    """

    document: DocumentNode
    conditions: tuple[str, ...]
    labels: tuple[str, ...] = ()
    access: Requirements = ()
    is_incremental: bool = False


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """An operation that is ready to run, for certain values of the variables in @skip and @include.

    `program`: the compiled plan; None if only the exact path can run it. `denied`: an error for each place
    that the caller may not see; they are in the response. `cost`: checked for each request; None if it was
    checked here. `later`: what is sent later (`incremental.prepare.Later`); None if everything is sent at
    once.
    """

    operation: Operation
    plan: Plan
    projector: Projector
    program: Program | None = None
    denied: tuple[RequestError, ...] = ()
    cost: CostOfOperation | None = None
    later: Any = None


class InvalidDocument(RequestError):
    """A document with validation errors, all of which are in `errors`."""

    def __init__(self, errors: tuple[RequestError, ...]) -> None:
        super().__init__(errors[0].message, errors[0].code)
        self._errors = errors

    @property
    def errors(self) -> tuple[RequestError, ...]:
        """Return all validation errors."""
        return self._errors


def check(engine: Engine, text: str) -> ValidDocument:
    """Parse and validate a document. Raises RequestError, or InvalidDocument with all validation errors."""
    limits = engine.settings.limits
    document = parse_document(text, limits)
    if errors := validate_document(
        engine.supergraph.api, document, limits, engine.settings.suggestions, engine.clock
    ):
        raise InvalidDocument(errors)
    access = engine.access.of(engine.supergraph, document)
    labels, later = engine.labels.of(document), is_incremental(document)
    return ValidDocument(document, condition_variables(document), labels, access, later)


def pick(checked: ValidDocument, name: str | None) -> OperationDefinitionNode:
    """Return the operation to run. `name`: the request's operationName.

    Raises RequestError OPERATION_RESOLUTION_FAILURE.
    """
    return pick_operation(checked.document, name)


def variables_for(engine: Engine, node: OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the coerced variables of a request. Raises RequestError BAD_USER_INPUT."""
    return coerce_variables(engine.supergraph.api, node, given)


def prepare(
    engine: Engine,
    checked: ValidDocument,
    node: OperationDefinitionNode,
    variables: Mapping[str, Any],
    labels: frozenset[str] = frozenset(),
    unmet: frozenset[Access] = frozenset(),
) -> PreparedOperation:
    """Normalize, authorize, plan and compile an operation.

    `variables`: the values of the variables in @skip and @include. `labels`: the active labels of progressive
    @overrides. `unmet`: the access requirements that the caller does not meet. Raises RequestError.
    """
    limits = engine.settings.limits
    operation = normalize(engine.supergraph, checked.document, node, variables, limits)
    meta = meta_fields(operation)
    _check_served(engine, operation, bool(meta) and not _may_introspect(engine, unmet))
    authorized = authorize(engine.access, operation, unmet)
    if authorized.errors and engine.settings.authorization.mode == "reject":
        raise Unauthorized(authorized.errors)
    return plan_authorized(engine, authorized, labels)


def _may_introspect(engine: Engine, unmet: frozenset[Access]) -> bool:
    """Return whether the caller may read the schema: everybody, or those with the scope for it."""
    required = engine.access.introspection
    return engine.settings.introspection or (required is not None and required not in unmet)


def _check_served(engine: Engine, operation: Operation, hidden: bool) -> None:
    """Raise RequestError for a subscription, and for introspection that is `hidden` from the caller."""
    if operation.kind == "subscription" and not engine.settings.subscriptions.enabled:
        raise RequestError("expected a query or mutation, got a subscription", "SUBSCRIPTIONS_NOT_SERVED")
    if hidden:
        raise RequestError("introspection is disabled", "INTROSPECTION_DISABLED")


def plan_authorized(engine: Engine, authorized: Authorized, labels: frozenset[str]) -> PreparedOperation:
    """Plan and compile an authorized operation. Raises RequestError."""
    operation, supergraph = authorized.operation, engine.supergraph
    whole = not meta_fields(operation)
    rest = without_meta(operation, supergraph.roots.values())
    fetched = without_denied(rest) if authorized.errors else rest
    plan = plan_operation(engine.graphs.of(labels), fetched, engine.settings.limits.paths)
    cost = engine.costs.of(fetched, plan) if engine.costs is not None else None
    program = None
    if engine.settings.compile and whole and rest.selections == operation.selections:
        extensions = engine.settings.extensions
        program = compile_plan(supergraph, operation, plan, extensions, authorized.errors)
    return PreparedOperation(
        operation, plan, Projector(supergraph, operation), program, authorized.errors, cost
    )


async def run(
    engine: Engine,
    prepared: PreparedOperation,
    inputs: ExecutionInputs,
    transport: Transport | None = None,
    sent_calls: Mapping[int, SentCall] | None = None,
) -> Envelope:
    """Run an operation on the exact path: fetch and merge, then project. Return its envelope.

    `transport`: used instead of the engine's. `sent_calls`: the calls that the compiled path has already
    sent, by fetch id. When a field fails that a hasty plan has fetched for too many objects, the careful plan
    runs too, and its result is returned.
    """
    way = transport or engine.transport
    this = await _run_plan(engine, prepared, prepared.plan, ExactRun(way, inputs, sent_calls or {}))
    if prepared.plan.careful is not None and _touches(this.errors, prepared.plan.hasty):
        engine.observer.emit(PlanRunAgain(inputs.context.id))
        this = await _run_plan(engine, prepared, prepared.plan.careful, ExactRun(way, inputs))
    return _envelope(engine, prepared, this)


def _envelope(engine: Engine, prepared: PreparedOperation, this: ExactRun) -> Envelope:
    """Project the merged response of a run, and return its envelope."""
    data = prepared.projector.project(this.data, this.errors)
    errors = this.errors
    if engine.errors is not None and errors:
        errors = engine.errors.applied(errors, this.inputs.context)
    if prepared.denied:
        errors = [*(one.formatted() for one in prepared.denied), *errors]
    response: dict[str, Any] = {"errors": errors, "data": data} if errors else {"data": data}
    if extensions := merge_extensions(this.extensions, engine.settings.extensions):
        response["extensions"] = extensions
    private = is_private(one.headers for one in this.replies)
    policy = PRIVATE if private else NO_CACHE_POLICY
    if engine.cache is not None and not errors:
        policy = CachePolicy(private=private, parts=parts_of(this.cached))
    envelope = Envelope(response, cache=policy)
    if (rules := engine.response_headers) is None:
        return envelope
    uncacheable = bool(errors) or prepared.plan.kind == "mutation"
    return envelope.with_headers(*rules.merged(this.replies, uncacheable))


async def _run_plan(engine: Engine, prepared: PreparedOperation, plan: Plan, this: ExactRun) -> ExactRun:
    inputs = this.inputs
    this.data.update(introspect(engine.supergraph.api, prepared.operation, inputs.variables))

    def goes_on(stage: Sequence[Fetch]) -> bool:
        return not prepared.projector.is_null(this.data, root_keys(stage), this.errors)

    await run_plan(plan, this, goes_on)
    return this


def _touches(errors: Sequence[Mapping[str, Any]], keys: frozenset[str]) -> bool:
    """Return whether an error is at or inside a field with one of these keys, or has no path."""
    return any("path" not in error or not keys.isdisjoint(error["path"]) for error in errors)


def root_keys(stage: Sequence[Fetch]) -> set[str]:
    """Return the response keys of the root fields that the fetches of a stage return."""
    lookups = (lookup for fetch in stage for lookup in fetch.lookups if not lookup.targets[0].path)
    return {key for lookup in lookups for key in _keys(lookup.selection)}


def _keys(selection: Selection) -> Iterator[str]:
    yield from (out.key for out in selection.fields)
    for _, inner in selection.fragments:
        yield from _keys(inner)
