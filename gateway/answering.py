"""Answers requests over one supergraph: finds or prepares the plan of a request, and starts its execution.

The endpoint calls `Gateway.begin` for each request. This module has the plan caches; `pipeline` makes the
plans.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from secrets import randbelow
from typing import Any, NamedTuple, Protocol, TypeVar

from graphql.language import OperationDefinitionNode

from gateway.core.context import Identity, RequestContext
from gateway.core.envelope import Envelope, encode_json, error_envelope
from gateway.core.errors import RequestError, SubgraphError
from gateway.core.headers import FORWARDED, RequestHeaders
from gateway.core.lru import LruCache, ResultCache
from gateway.engine import Engine
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import EnvelopeCallback, begin, envelope_of
from gateway.observe.facts import PREPARE, AccessDenied
from gateway.pipeline import PreparedOperation, ValidDocument, check, pick, prepare, run, variables_for
from gateway.plan.explain import plan_json, print_plan
from gateway.plugins import Hooks
from gateway.request.authorize import Unauthorized, allows
from gateway.request.graphql_request import GraphQLRequest
from gateway.request.labels import labels_on, point_of
from gateway.shared_executions import SharedExecutions
from gateway.supergraph.metadata import Access
from gateway.transport.base import Handle, call_for, send_and_read
from gateway.transport.claims import claim_headers
from gateway.transport.headers import Headers

V = TypeVar("V")
WARM_UP_OPERATIONS = 200  # the number of operations to plan before a reloaded supergraph is served
MAX_CACHED_DOCUMENT = 50_000  # characters; longer documents are not cached, to save memory
PROBE_SECONDS = 2.0  # timeout of a test call to a subgraph


class PlanKey(NamedTuple):
    """Everything that decides which plan a request gets.

    - `text`: the document. `operation_name`: the operation to run; None if the document has only one.
    - `conditions`: the values of the variables in @skip and @include.
    - `labels`: the active labels of progressive @overrides.
    - `unmet`: the access requirements of the document that the caller does not meet.
    """

    text: str
    operation_name: str | None
    conditions: tuple[Any, ...] = ()
    labels: frozenset[str] = frozenset()
    unmet: frozenset[Access] = frozenset()


def plan_key(
    request: GraphQLRequest,
    checked: ValidDocument,
    variables: Mapping[str, Any],
    labels: frozenset[str],
    unmet: frozenset[Access] = frozenset(),
) -> PlanKey:
    """Return the key of a request's plan, for the plan cache, its warm-up and shared executions."""
    conditions = tuple([variables.get(name) for name in checked.conditions])
    return PlanKey(request.query, request.operation_name or None, conditions, labels, unmet)


def _cached(request: GraphQLRequest) -> bool:
    """Return whether what is computed for a request's document may be cached."""
    return len(request.query) <= MAX_CACHED_DOCUMENT


def _places(errors: Sequence[RequestError]) -> list[str]:
    return [".".join(map(str, one.path or ())) for one in errors]


@dataclass(frozen=True, slots=True)
class KnownOperation:
    """An operation that was requested before: its AST node, and its valid document (`checked`).

    `key`, `prepared`: the plan key and the plan, if they depend on nothing but the text and the operation
    name; None if they also depend on variables or override labels. `is_query`: it may be sent by GET.
    """

    node: OperationDefinitionNode
    checked: ValidDocument
    key: PlanKey | None
    prepared: PreparedOperation | None
    is_query: bool


PlannedRequest = tuple[KnownOperation, PreparedOperation, PlanKey, Mapping[str, Any]]
"""A request that is ready to execute: the operation, its plan, the plan's key, and the coerced variables."""


class Authenticates(Protocol):
    """Finds the identity of a request; implemented by `security.authenticate.Authenticator`."""

    def identify(self, headers: Mapping[str, str]) -> Identity | Awaitable[Identity]:
        """Return the identity, at once or later. Raises RequestError, or the awaitable does."""
        ...


class Gateway:
    """One supergraph with its caches; it answers requests over it.

    `authenticator`: finds the identity of each request; None if all are anonymous.
    """

    def __init__(
        self, engine: Engine, hooks: Hooks | None = None, authenticator: Authenticates | None = None
    ) -> None:
        self.engine = engine
        self.authenticator = authenticator
        self.hooks = hooks or Hooks()
        size = engine.settings.plan_cache
        self.documents: ResultCache[str, ValidDocument] = ResultCache(size)
        self.operations: LruCache[tuple[str, str | None], KnownOperation] = LruCache(size)
        self.plans: ResultCache[PlanKey, PreparedOperation] = ResultCache(size)
        self.shared_executions = SharedExecutions()
        names = engine.settings.headers.forward
        self.forward = tuple(name.encode("latin-1", "replace") for name in names if name != FORWARDED)
        self.forward_address = FORWARDED in names
        self.hooked = self.hooks.wraps_requests
        self.claim_rules = engine.settings.authentication.claims

    def context(self, headers: Mapping[str, str]) -> RequestContext:
        """Return the context of a new request with these headers."""
        return self.engine.context(headers)

    async def answer(self, request: GraphQLRequest, headers: Mapping[str, str]) -> Envelope:
        """Return the response to a request, for callers without a door; a RequestError becomes an envelope.

        Raises RequestError METHOD_NOT_ALLOWED for a mutation in a request with `query_only` (by GET), because
        an HTTP reply to it must list the allowed methods.
        """
        context = self.engine.context(headers)
        try:
            return await envelope_of(partial(self.begin, request, context))
        except RequestError as error:
            if error.code == "METHOD_NOT_ALLOWED":
                raise
            return error_envelope(error)

    def begin(self, request: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback) -> Handle:
        """Start to answer a request; `answered` is called once, never before this method returns.

        If the request can't be executed, a RequestError is raised here or passed to `answered`.
        """
        if self.authenticator is not None:
            return self._begin_identified(self.authenticator, request, context, answered)
        if self.hooked:
            return self._begin_hooked(request, context, answered)
        return self._execute(request, context, self.find(request, context), answered)

    def _begin_identified(
        self,
        authenticator: Authenticates,
        request: GraphQLRequest,
        context: RequestContext,
        answered: EnvelopeCallback,
    ) -> Handle:
        """Find the identity, then start to answer; at once if the token is known."""
        found = authenticator.identify(context.headers)
        if not isinstance(found, Identity):
            return asyncio.ensure_future(self._begin_later(request, context, answered, found))
        context.identity = found
        return self._begin(request, context, answered)

    async def _begin_later(
        self,
        request: GraphQLRequest,
        context: RequestContext,
        answered: EnvelopeCallback,
        identity: Awaitable[Identity],
    ) -> None:
        """Answer a request as soon as its identity is known."""
        try:
            context.identity = await identity
            envelope: Envelope | BaseException = await envelope_of(partial(self._begin, request, context))
        except Exception as error:
            envelope = error
        answered(envelope)

    def _begin(self, request: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback) -> Handle:
        """Start to answer a request whose identity is known."""
        if self.hooked:
            return self._begin_hooked(request, context, answered)
        return self._execute(request, context, self.find(request, context), answered)

    def find(self, request: GraphQLRequest, context: RequestContext) -> PlannedRequest:
        """Find or prepare the plan of a request, and coerce its variables. Raises RequestError."""
        known = self.operations.get((request.query, request.operation_name))
        if known is None:
            known = self._timed(context, partial(self._prepare, request))
        if request.query_only and not known.is_query:
            message = f"a {known.node.operation.value} can't be sent by GET; use POST"
            raise RequestError(message, "METHOD_NOT_ALLOWED")
        variables = variables_for(self.engine, known.node, request.variables)
        if known.prepared is not None and known.key is not None:
            return known, known.prepared, known.key, variables
        return known, *self._find_plan(request, context, known, variables), variables

    def _find_plan(
        self,
        request: GraphQLRequest,
        context: RequestContext,
        known: KnownOperation,
        variables: Mapping[str, Any],
    ) -> tuple[PreparedOperation, PlanKey]:
        """Return the plan, and its key, of an operation whose plan depends on more than its text."""
        context.labels = labels = self.labels_for(known.checked, context)
        unmet = self._unmet(known.checked, context) if known.checked.access else frozenset()
        key = plan_key(request, known.checked, variables, labels, unmet)
        make = partial(prepare, self.engine, known.checked, known.node, variables, labels, unmet)
        try:
            prepared = self.plans.get(key, partial(self._timed, context, make), _cached(request))
        except Unauthorized as error:
            self._report_denied(context, _places(error.errors))
            raise
        if prepared.denied:
            self._report_denied(context, _places(prepared.denied))
        return prepared, key

    def _unmet(self, checked: ValidDocument, context: RequestContext) -> frozenset[Access]:
        """Return the access requirements of a document that the caller does not meet; none in a dry run."""
        unmet = frozenset(one for one in checked.access if not allows(context.identity, one))
        if unmet and self.engine.settings.authorization.dry_run:
            self._report_denied(context, sorted(map(str, unmet)), dry_run=True)
            return frozenset()
        return unmet

    @staticmethod
    def _report_denied(context: RequestContext, denied: Sequence[str], dry_run: bool = False) -> None:
        context.observer.emit(AccessDenied(context.id, context.client_name, tuple(denied), dry_run))

    def _prepare(self, request: GraphQLRequest) -> KnownOperation:
        """Validate a document and find the operation; plan it if the plan depends on nothing else.

        `cache`: whether to cache the results, errors included. An operation that is refused is cached in
        `documents` or `plans` only, so that many refused ones do not evict the valid ones in `operations`.
        """
        cache = _cached(request)
        checked = self.documents.get(request.query, lambda: check(self.engine, request.query), cache)
        node = pick(checked, request.operation_name)
        key, prepared = None, None
        if not (
            checked.conditions or checked.labels or checked.access or node.operation.value == "subscription"
        ):
            key = plan_key(request, checked, {}, frozenset())
            prepared = self.plans.get(key, partial(prepare, self.engine, checked, node, {}), cache)
            self.plans.remove(key)  # `operations` has the plan from now on
        known = KnownOperation(node, checked, key, prepared, node.operation.value == "query")
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

    def _execute(
        self,
        request: GraphQLRequest,
        context: RequestContext,
        found: PlannedRequest,
        answered: EnvelopeCallback,
    ) -> Handle:
        """Start the execution; equal concurrent queries share one."""
        engine = self.engine
        settings = engine.settings
        known, prepared, key, variables = found
        headers = self.forwarded_headers(context.headers)
        if self.claim_rules:
            headers = headers.adding(claim_headers(self.claim_rules, context.identity.claims))
        inputs = ExecutionInputs(variables, headers, settings.timeout, context)
        if request.plan and settings.plan_header:
            return asyncio.ensure_future(self._run_with_plan(prepared, inputs, answered))
        if settings.share and known.is_query:
            try:
                encoded = encode_json(variables) if variables else b""
            except TypeError:  # not encodable as JSON; the execution reports it
                return begin(engine, prepared, inputs, answered)
            start = partial(begin, engine, prepared, inputs)
            return self.shared_executions.share(
                (key, encoded, headers.sharing_key, context.sharing_key()), start, answered
            )
        return begin(engine, prepared, inputs, answered)

    async def _run_with_plan(
        self, prepared: PreparedOperation, inputs: ExecutionInputs, answered: EnvelopeCallback
    ) -> None:
        """Execute on the exact path, and add the plan as `extensions.plan`."""
        try:
            envelope = await run(self.engine, prepared, inputs)
        except Exception as error:
            answered(error)
            return
        response: Any = envelope.response
        plan = {"text": print_plan(prepared.plan), "json": plan_json(prepared.plan)}
        response.setdefault("extensions", {})["plan"] = plan
        answered(envelope)

    def _begin_hooked(
        self, request: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback
    ) -> Handle:
        """Do what `begin` does, with plugins: `on_request` may be async, so a task answers the request."""
        return asyncio.ensure_future(self._answer_hooked(request, context, answered))

    async def _answer_hooked(
        self, request: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback
    ) -> None:
        try:
            envelope = await self.hooks.on_request_answer(context, request)
            if envelope is None:
                found = self.find(request, context)
                known, prepared, _, _ = found
                self.hooks.planned(context, known.checked.document, known.node, prepared.plan)
                envelope = await envelope_of(partial(self._execute, request, context, found))
            found_envelope: Envelope | BaseException = self.hooks.responding(context, envelope)
        except RequestError as error:
            found_envelope = self._refused(error, context)
        except Exception as error:
            found_envelope = error
        answered(found_envelope)

    def _refused(self, error: RequestError, context: RequestContext) -> Envelope | BaseException:
        """Return the response for a RequestError after the hooks `on_response`; an exception of a plugin
        replaces it.
        """
        if error.code == "METHOD_NOT_ALLOWED":
            return error
        try:
            return self.hooks.responding(context, error_envelope(error))
        except Exception as mistake:
            return mistake

    def warm(self, other: "Gateway") -> None:
        """Plan the operations that the gateway `other` has cached, as far as they are valid here.

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

    def forwarded_headers(self, headers: Mapping[str, str]) -> Headers:
        """Return the client's headers that subgraphs receive."""
        if isinstance(headers, RequestHeaders):
            return Headers(headers.chosen(self.forward, self.forward_address))
        found = [(name, headers.get(name)) for name in self.engine.settings.headers.forward]
        return Headers.of([(name, value) for name, value in found if value is not None])

    async def readiness(self) -> dict[str, str]:
        """Return the state of each subgraph: "up", or the error code of a test call."""
        names = list(self.engine.supergraph.subgraphs)
        states = await asyncio.gather(*(self._probe(name) for name in names))
        return dict(zip(names, states, strict=True))

    async def _probe(self, name: str) -> str:
        call = call_for(name, "{__typename}", timeout=PROBE_SECONDS, clock=self.engine.clock)
        try:
            await send_and_read(self.engine.transport, call)
        except SubgraphError as error:
            return error.code
        return "up"
