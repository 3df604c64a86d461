"""One supergraph being answered from: find or prepare the plan of a request, and start its execution."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from secrets import randbelow
from typing import Any, Generic, NamedTuple, TypeVar

from graphql.language import OperationDefinitionNode

from gateway.core.context import RequestContext
from gateway.core.envelope import Envelope, encode_json, error_envelope
from gateway.core.errors import RequestError, SubgraphError
from gateway.core.headers import FORWARDED, RequestHeaders
from gateway.engine import Engine
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import EnvelopeCallback, awaited, begin
from gateway.observe.facts import PREPARE
from gateway.pipeline import PreparedOperation, ValidDocument, check, pick, prepare, run, variables_for
from gateway.plan.explain import plan_json, print_plan
from gateway.plugins import Hooks
from gateway.request.graphql_request import GraphQLRequest
from gateway.request.labels import labels_on, point_of
from gateway.shared_executions import SharedExecutions
from gateway.transport.base import Handle, call_for, send_and_read
from gateway.transport.headers import Headers

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
WARMED = 200  # operations
KEPT_TEXT = 50_000  # characters; a longer document is not worth its place in the cache
PROBE_SECONDS = 2.0


class LruCache(Generic[K, V]):
    """The values that were used last, at most `size` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.misses = 0
        self.values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value for a key, if it is known."""
        found = self.values.get(key)
        if found is None:
            self.misses += 1
        else:
            self.values.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Remember a value; the one that was used longest ago makes room."""
        self.values[key] = value
        if len(self.values) > self.size:
            self.values.popitem(last=False)


class ResultCache(Generic[K, V]):
    """The results of the last uses of a function, refusals included."""

    def __init__(self, size: int) -> None:
        self.recent: LruCache[K, V | RequestError] = LruCache(size)

    @property
    def misses(self) -> int:
        """How often a value was not known."""
        return self.recent.misses

    def get(self, key: K, make: Callable[[], V], keep: bool = True) -> V:
        """The value for a key, made now if it is not known; raises again what making it raised."""
        found = self.recent.get(key)
        if found is None:
            try:
                found = make()
            except RequestError as error:
                found = error
            if keep:
                self.recent.put(key, found)
        if isinstance(found, RequestError):
            raise found.with_traceback(None)
        return found

    def forget(self, key: K) -> None:
        """Remember the value of a key no longer."""
        self.recent.values.pop(key, None)


class PlanKey(NamedTuple):
    """All that decides which plan a request gets.

    `text`: the document, or the id that stands for it. `conditions`: the values of the variables in @skip and
    @include. `labels`: the progressive overrides that are on. `access`: what the caller may see, where that
    changes the plan.
    """

    text: str
    operation_name: str | None
    conditions: tuple[Any, ...] = ()
    labels: frozenset[str] = frozenset()
    access: Hashable = None


def plan_key(
    ask: GraphQLRequest, checked: ValidDocument, variables: Mapping[str, Any], labels: frozenset[str]
) -> PlanKey:
    """The key of the plan that a request gets.

    Plan cache, warm-up and the sharing of executions use it alike.
    """
    conditions = tuple([variables.get(name) for name in checked.conditions])
    return PlanKey(ask.query, ask.operation_name or None, conditions, labels)


@dataclass(frozen=True, slots=True)
class KnownOperation:
    """An operation that was asked for before.

    `key` and `prepared`: its plan, if the text and the name alone decide which one that is.
    """

    node: OperationDefinitionNode
    checked: ValidDocument
    key: PlanKey | None
    prepared: PreparedOperation | None
    is_query: bool


PlannedRequest = tuple[KnownOperation, PreparedOperation, PlanKey, Mapping[str, Any]]
"""What a request needs to run: the operation, its plan, under which key, and the coerced variables."""


class Gateway:
    """One supergraph being served: the pipeline with its caches around it."""

    def __init__(self, engine: Engine, hooks: Hooks | None = None) -> None:
        self.engine = engine
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

    def context(self, headers: Mapping[str, str]) -> RequestContext:
        """The context of a new request with these headers."""
        return self.engine.context(headers)

    async def answer(self, ask: GraphQLRequest, headers: Mapping[str, str]) -> Envelope:
        """Answer one request without a door; what is wrong with it becomes a refusal.

        Raises RequestError METHOD_NOT_ALLOWED for a mutation by GET, since a door has to say which methods
        there are.
        """
        context = self.engine.context(headers)
        try:
            return await awaited(partial(self.begin, ask, context))
        except RequestError as error:
            if error.code == "METHOD_NOT_ALLOWED":
                raise
            return error_envelope(error)

    def begin(self, ask: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback) -> Handle:
        """Begin to answer a request; `answered` is called back once, never before this returns.

        Raises RequestError, or hands it back, for a request that is not run.
        """
        if self.hooked:
            return self._begin_hooked(ask, context, answered)
        return self._execute(ask, context, self.find(ask, context), answered)

    def find(self, ask: GraphQLRequest, context: RequestContext) -> PlannedRequest:
        """Find or prepare the plan of a request, and coerce its variables. Raises RequestError."""
        keep = len(ask.query) <= KEPT_TEXT
        known = self.operations.get((ask.query, ask.operation_name))
        if known is None:
            known = self._staged(context, partial(self._learn, ask, keep))
        if ask.query_only and not known.is_query:
            message = f"a {known.node.operation.value} can't be sent by GET; use POST"
            raise RequestError(message, "METHOD_NOT_ALLOWED")
        variables = variables_for(self.engine, known.node, ask.variables)
        if known.prepared is not None and known.key is not None:
            return known, known.prepared, known.key, variables
        context.labels = self.labels_for(known.checked, context)
        key = plan_key(ask, known.checked, variables, context.labels)
        make = partial(prepare, self.engine, known.checked, known.node, variables, context.labels)
        return known, self.plans.get(key, partial(self._staged, context, make), keep), key, variables

    def _learn(self, ask: GraphQLRequest, keep: bool) -> KnownOperation:
        """Check a document and pick the operation.

        Plan it, too, if nothing else of a request decides about that.

        Refusals are remembered apart (by `documents` and `plans`), so that no flood of them drives out plans
        in use.
        """
        checked = self.documents.get(ask.query, lambda: check(self.engine, ask.query), keep)
        node = pick(checked, ask.operation_name)
        key, prepared = None, None
        if not (checked.conditions or checked.labels or node.operation.value == "subscription"):
            key = plan_key(ask, checked, {}, frozenset())
            prepared = self.plans.get(key, partial(prepare, self.engine, checked, node, {}), keep)
            self.plans.forget(key)  # it is found by its operation from now on
        known = KnownOperation(node, checked, key, prepared, node.operation.value == "query")
        if keep:
            self.operations.put((ask.query, ask.operation_name), known)
        return known

    def _staged(self, context: RequestContext, make: Callable[[], V]) -> V:
        """What `make` gives, reported as the stage PREPARE of a request."""
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
        self, ask: GraphQLRequest, context: RequestContext, found: PlannedRequest, answered: EnvelopeCallback
    ) -> Handle:
        """Start the execution; equal queries under way share one."""
        engine = self.engine
        settings = engine.settings
        known, prepared, key, variables = found
        headers = self.forwarded(context.headers)
        inputs = ExecutionInputs(variables, headers, settings.timeout, context)
        if ask.plan and settings.plan_header:
            return asyncio.ensure_future(self._run_with_plan(prepared, inputs, answered))
        if settings.share and known.is_query:
            try:
                given = encode_json(variables) if variables else b""
            except TypeError:  # what JSON can't hold, a subgraph can't be asked either; the execution says so
                return begin(engine, prepared, inputs, answered)
            start = partial(begin, engine, prepared, inputs)
            return self.shared_executions.share(
                (key, given, headers.sharing, context.sharing()), start, answered
            )
        return begin(engine, prepared, inputs, answered)

    async def _run_with_plan(
        self, prepared: PreparedOperation, inputs: ExecutionInputs, answered: EnvelopeCallback
    ) -> None:
        """Answer on the exact path, with the plan in `extensions.plan`."""
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
        self, ask: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback
    ) -> Handle:
        """The same with plugins: `on_request` may wait, so the request is answered in a task."""
        return asyncio.ensure_future(self._answer_hooked(ask, context, answered))

    async def _answer_hooked(
        self, ask: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback
    ) -> None:
        try:
            envelope = await self.hooks.ask(context, ask)
            if envelope is None:
                found = self.find(ask, context)
                known, prepared, _, _ = found
                self.hooks.planned(context, known.checked.document, known.node, prepared.plan)
                envelope = await awaited(partial(self._execute, ask, context, found))
            found_envelope: Envelope | BaseException = self.hooks.responding(context, envelope)
        except RequestError as error:
            found_envelope = self._refused(error, context)
        except Exception as error:
            found_envelope = error
        answered(found_envelope)

    def _refused(self, error: RequestError, context: RequestContext) -> Envelope | BaseException:
        """A refusal as plugins leave it; what goes wrong in them counts in its place."""
        if error.code == "METHOD_NOT_ALLOWED":
            return error
        try:
            return self.hooks.responding(context, error_envelope(error))
        except Exception as mistake:
            return mistake

    def warm(self, other: "Gateway") -> None:
        """Plan what was asked last of another gateway, as far as it can be asked here, so that a new
        supergraph makes nobody wait.
        """
        for query, name in list(other.operations.values)[-WARMED:]:
            ask = GraphQLRequest(query, operation_name=name)
            with suppress(RequestError):
                self._learn(ask, keep=True)

    def labels_for(self, checked: ValidDocument, context: RequestContext) -> frozenset[str]:
        """The progressive overrides that are on for a request; a user stays on one side of a share."""
        if not checked.labels:
            return frozenset()
        settings = self.engine.settings
        user = context.headers.get(settings.sticky_header)
        point = point_of(user) if user is not None else randbelow(10_000) / 100
        return labels_on(checked.labels, settings.labels, point)

    def forwarded(self, headers: Mapping[str, str]) -> Headers:
        """The client's headers that go on to subgraphs."""
        if isinstance(headers, RequestHeaders):
            return Headers(headers.chosen(self.forward, self.forward_address))
        found = [(name, headers.get(name)) for name in self.engine.settings.headers.forward]
        return Headers.of([(name, value) for name, value in found if value is not None])

    async def readiness(self) -> dict[str, str]:
        """Which subgraphs answer: `up`, or the code of what went wrong."""
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
