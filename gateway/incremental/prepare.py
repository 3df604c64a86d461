"""Prepares an operation with @defer or @stream: what is sent first, and each part, has a plan of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql.language import OperationDefinitionNode

from gateway.core.errors import PlanError
from gateway.engine import Engine
from gateway.pipeline import PreparedOperation, ValidDocument, plan_authorized, prepare
from gateway.plan.deferral import SUBGRAPH, root_field
from gateway.plan.nodes import Fetch
from gateway.request.authorize import Authorized, authorize
from gateway.request.normalize import normalize
from gateway.request.operation import Field, Operation
from gateway.request.split import HIDDEN, Part, StreamedList, split
from gateway.supergraph.metadata import Access

OBJECTS = f"{HIDDEN}objects"
"""The response key under which the plan of a part has its objects."""


@dataclass(frozen=True, slots=True)
class PreparedPart:
    """A part with its plan.

    `engine`: that over the supergraph with the known objects; for a part at the root, the usual one. `known`:
    the fetch to which the gateway itself replies, with these objects; None at the root.
    """

    part: Part
    prepared: PreparedOperation
    engine: Engine
    known: Fetch | None
    parts: "tuple[PreparedPart, ...]"


@dataclass(frozen=True, slots=True)
class Later:
    """An operation of which something is sent later: what is sent first, the parts, and the lists."""

    first: PreparedOperation
    parts: tuple[PreparedPart, ...]
    lists: tuple[StreamedList, ...]


def prepare_incremental(
    engine: Engine,
    checked: ValidDocument,
    node: OperationDefinitionNode,
    variables: Mapping[str, Any],
    labels: frozenset[str] = frozenset(),
    unmet: frozenset[Access] = frozenset(),
) -> PreparedOperation:
    """Return the operation as `prepare` does, with what is sent later, if anything is.

    The cost is that of the whole operation. If a part has no plan of its own, nothing is sent later. Fields
    that the caller may not see are null in their parts; the first payload has the errors. Raises
    RequestError.
    """
    whole = prepare(engine, checked, node, variables, labels, unmet)
    supergraph, limits = engine.supergraph, engine.settings.limits
    operation = normalize(supergraph, checked.document, node, variables, limits, incremental=True)
    authorized = authorize(engine.access, operation, unmet)
    found = split(supergraph, authorized.operation, engine.deferrals.keys.get)
    if found.is_whole:
        return whole
    plain = replace(engine, costs=None)
    try:
        first = plan_authorized(plain, Authorized(found.operation, authorized.errors), labels)
        parts = tuple(_prepared(plain, authorized, part, labels) for part in found.parts)
    except PlanError:  # a part may need values of objects around it (@fromContext)
        return whole
    return replace(whole, later=Later(first, parts, found.lists))


def _prepared(engine: Engine, whole: Authorized, part: Part, labels: frozenset[str]) -> PreparedPart:
    """Return a part with its plan, and those inside it. `whole`: the operation."""
    inside = tuple(_prepared(engine, whole, one, labels) for one in part.parts)
    operation, root = whole.operation, engine.supergraph.roots["query"]
    if not part.key:
        own = Operation("query", operation.name, root, operation.variables, part.selections)
        return PreparedPart(part, _planned(engine, own, whole, labels), engine, None, inside)
    known = engine.deferrals.engine(engine)
    objects = Field(OBJECTS, root_field(part.type), root, f"[{part.type}]", selections=part.selections)
    own = Operation("query", operation.name, root, operation.variables, (objects,))
    prepared = _planned(known, own, whole, labels)
    first = next(fetch for fetch in prepared.plan.fetches if fetch.subgraph == SUBGRAPH)
    if len(prepared.plan.fetches) == 1:  # a reply that passes unchanged would have the key, too
        prepared = replace(prepared, program=None)
    return PreparedPart(part, prepared, known, first, inside)


def _planned(engine: Engine, own: Operation, whole: Authorized, labels: frozenset[str]) -> PreparedOperation:
    """Return the operation of a part with its plan, which fetches no denied field."""
    prepared = plan_authorized(engine, Authorized(own, whole.errors), labels)
    return replace(prepared, denied=(), program=None) if whole.errors else prepared
