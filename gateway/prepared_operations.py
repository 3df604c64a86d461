"""Finds or prepares the plan of a request. The caches of documents, operations and plans are here.

`pipeline` makes the plans; `answering` executes them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from secrets import randbelow
from typing import Any, NamedTuple, TypeVar

from graphql.language import OperationDefinitionNode

from gateway.core.context import RequestContext, Rights
from gateway.core.errors import RequestError
from gateway.core.lru import LruCache, ResultCache
from gateway.engine import Engine
from gateway.incremental.prepare import prepare_incremental
from gateway.observe.facts import PREPARE, AccessDenied
from gateway.pipeline import PreparedOperation, ValidDocument, check, pick, prepare, variables_for
from gateway.request.authorize import Unauthorized, allows
from gateway.request.graphql_request import GraphQLRequest
from gateway.request.labels import labels_on, point_of
from gateway.supergraph.metadata import Access

V = TypeVar("V")
WARM_UP_OPERATIONS = 200  # the number of operations to plan before a reloaded supergraph is served
RIGHTS = 100  # the number of different rights of callers that are remembered for an operation
MAX_CACHED_DOCUMENT = 50_000  # characters; longer documents are not cached, to save memory


class PlanKey(NamedTuple):
    """Everything that decides which plan a request gets.

    - `text`: the document. `operation_name`: the operation to run; None if the document has only one.
    - `conditions`: the values of the variables in @skip and @include.
    - `labels`: the active labels of progressive @overrides.
    - `unmet`: the access requirements of the document that the caller does not meet.
    - `incremental`: whether deferred parts are sent later.
    """

    text: str
    operation_name: str | None
    conditions: tuple[Any, ...] = ()
    labels: frozenset[str] = frozenset()
    unmet: frozenset[Access] = frozenset()
    incremental: bool = False


def plan_key(
    request: GraphQLRequest,
    checked: ValidDocument,
    variables: Mapping[str, Any],
    labels: frozenset[str],
    unmet: frozenset[Access] = frozenset(),
) -> PlanKey:
    """Return the key of a request's plan, for the plan cache, its warm-up and shared executions."""
    conditions = tuple([variables.get(name) for name in checked.conditions])
    incremental = checked.is_incremental and request.incremental is not None
    return PlanKey(request.query, request.operation_name or None, conditions, labels, unmet, incremental)


def _cached(request: GraphQLRequest) -> bool:
    """Return whether what is computed for a request's document may be cached."""
    return len(request.query) <= MAX_CACHED_DOCUMENT


def _places(errors: Sequence[RequestError]) -> list[str]:
    return [".".join(map(str, one.path or ())) for one in errors]


FoundPlan = tuple[PreparedOperation, PlanKey]


@dataclass(frozen=True, slots=True)
class KnownOperation:
    """An operation that was requested before: its AST node, and its valid document (`checked`).

    `key`, `prepared`: the plan key and the plan, if they depend on nothing but the text and the operation
    name; None if they also depend on variables or override labels. `is_query`: it may be sent by GET.
    `granted`: the plan by the rights of callers to whom nothing is denied, if it depends on nothing else.
    """

    node: OperationDefinitionNode
    checked: ValidDocument
    key: PlanKey | None
    prepared: PreparedOperation | None
    is_query: bool
    is_subscription: bool = False
    granted: LruCache[Rights, FoundPlan] = field(default_factory=lambda: LruCache(RIGHTS))


PlannedRequest = tuple[KnownOperation, PreparedOperation, PlanKey, Mapping[str, Any]]
"""A request that is ready to execute: the operation, its plan, the plan's key, and the coerced variables."""


class PreparedOperations:
    """The plans of the operations over one supergraph, with their caches."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        size = engine.settings.plan_cache
        self.documents: ResultCache[str, ValidDocument] = ResultCache(size)
        self.operations: LruCache[tuple[str, str | None], KnownOperation] = LruCache(size)
        self.plans: ResultCache[PlanKey, PreparedOperation] = ResultCache(size)

    def find(self, request: GraphQLRequest, context: RequestContext) -> PlannedRequest:
        """Find or prepare the plan of a request, and coerce its variables. Raises RequestError."""
        known = self.operations.get((request.query, request.operation_name))
        if known is None:
            known = self._timed(context, partial(self._prepare, request))
        if request.query_only and not (known.is_query or (request.streams and known.is_subscription)):
            message = f"a {known.node.operation.value} can't be sent by GET; use POST"
            raise RequestError(message, "METHOD_NOT_ALLOWED")
        variables = variables_for(self.engine, known.node, request.variables)
        if known.prepared is not None and known.key is not None:
            prepared, key = known.prepared, known.key
        else:
            granted = known.granted.get(context.identity.rights) if known.checked.access else None
            prepared, key = granted or self._find_plan(request, context, known, variables)
        if prepared.cost is not None:
            prepared.cost.check(variables, context)
        return known, prepared, key, variables

    def _find_plan(
        self,
        request: GraphQLRequest,
        context: RequestContext,
        known: KnownOperation,
        variables: Mapping[str, Any],
    ) -> FoundPlan:
        """Return the plan, and its key, of an operation whose plan depends on more than its text."""
        context.labels = labels = self.labels_for(known.checked, context)
        unmet = self._unmet(known.checked, context) if known.checked.access else frozenset()
        key = plan_key(request, known.checked, variables, labels, unmet)
        how = prepare_incremental if key.incremental else prepare
        make = partial(how, self.engine, known.checked, known.node, variables, labels, unmet)
        try:
            prepared = self.plans.get(key, partial(self._timed, context, make), _cached(request))
        except Unauthorized as error:
            self._report_denied(context, _places(error.errors))
            raise
        if prepared.denied:
            self._report_denied(context, _places(prepared.denied))
        checked, is_dry = known.checked, self.engine.settings.authorization.dry_run
        if not (unmet or checked.conditions or checked.labels or checked.is_incremental or is_dry):
            known.granted.put(context.identity.rights, (prepared, key))
        return prepared, key

    def _unmet(self, checked: ValidDocument, context: RequestContext) -> frozenset[Access]:
        """Return the access requirements of a document that the caller does not meet; none in a dry run."""
        unmet = frozenset(one for one in checked.access if not allows(context.identity, one))
        if unmet and self.engine.settings.authorization.dry_run:
            self._report_denied(context, sorted(map(str, unmet)), dry_run=True)
            return unmet.intersection({self.engine.access.introspection})
        return unmet

    @staticmethod
    def _report_denied(context: RequestContext, denied: Sequence[str], dry_run: bool = False) -> None:
        context.observer.emit(AccessDenied(context.id, context.client_name, tuple(denied), dry_run))

    def _prepare(self, request: GraphQLRequest) -> KnownOperation:
        """Validate a document and find the operation; plan it if the plan depends on nothing else.

        The results are cached, errors too, unless the document is too long. An operation that is refused is
        cached in `documents` or `plans` only, so that many refused ones do not evict the valid ones in
        `operations`.
        """
        cache = _cached(request)
        checked = self.documents.get(request.query, lambda: check(self.engine, request.query), cache)
        node = pick(checked, request.operation_name)
        key, prepared = None, None
        if not (checked.conditions or checked.labels or checked.access or checked.is_incremental):
            key = plan_key(request, checked, {}, frozenset())
            prepared = self.plans.get(key, partial(prepare, self.engine, checked, node, {}), cache)
            self.plans.remove(key)  # `operations` has the plan from now on
        kind = node.operation.value
        known = KnownOperation(node, checked, key, prepared, kind == "query", kind == "subscription")
        if cache:
            self.operations.put((request.query, request.operation_name), known)
        return known

    def _timed(self, context: RequestContext, make: Callable[[], V]) -> V:
        """Call `make`, and report it to the observer as the stage PREPARE."""
        observer = self.engine.observer
        if not observer.watches_stages:
            return make()
        since = observer.started(PREPARE, context)
        try:
            made = make()
        except RequestError as error:
            observer.ended(PREPARE, context, since, error=error.code)
            raise
        observer.ended(PREPARE, context, since)
        return made

    def warm(self, other: "PreparedOperations") -> None:
        """Plan the operations that `other` has cached, as far as they are valid here.

        So the first requests after a reload need not wait for planning.
        """
        for query, name in list(other.operations.values)[-WARM_UP_OPERATIONS:]:
            request = GraphQLRequest(query, operation_name=name)
            with suppress(RequestError):
                self._prepare(request)

    def labels_for(self, checked: ValidDocument, context: RequestContext) -> frozenset[str]:
        """Return the labels of progressive @overrides that are active for a request.

        A label `percent(...)` depends on the value of the sticky header (the header in the settings that
        identifies a user), or on a random number if the request lacks that header.
        """
        if not checked.labels:
            return frozenset()
        settings = self.engine.settings
        user = context.headers.get(settings.sticky_header)
        point = point_of(user) if user is not None else randbelow(10_000) / 100
        return labels_on(checked.labels, settings.labels, point)
