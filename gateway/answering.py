"""Answers requests over one supergraph: passes them through guards, and starts their execution.

The endpoint calls `Gateway.begin` for each request. `prepared_operations` has the plan caches.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from functools import partial

from gateway.cached_responses import CachedResponses
from gateway.core.context import ANONYMOUS, Identity, RequestContext
from gateway.core.envelope import Envelope, error_envelope
from gateway.core.errors import RequestError, SubgraphError
from gateway.core.headers import FORWARDED, RequestHeaders
from gateway.core.jsontext import encode_json, read_json
from gateway.core.streams import ResponseStream
from gateway.engine import Engine
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import EnvelopeCallback, StartExecution, begin, envelope_of
from gateway.guards import Guards
from gateway.incremental.stream import IncrementalStream
from gateway.pipeline import PreparedOperation
from gateway.plan_extension import answer_with_plan, shows_plan
from gateway.plugins import Hooks
from gateway.prepared_operations import PlanKey, PlannedRequest, PreparedOperations
from gateway.request.graphql_request import GraphQLRequest
from gateway.shared_executions import SharedExecutions
from gateway.subscribe.event_execution import Subscription
from gateway.subscribe.group import Planned, planned_subscription
from gateway.subscribe.hub import Hub, HubStream
from gateway.subscribe.identities import Identify
from gateway.transport.base import Handle, call_for, send_and_read
from gateway.transport.claims import claim_extensions, claim_headers
from gateway.transport.header_rules import request_header_rules
from gateway.transport.headers import NO_HEADERS, Headers
from gateway.transport.streams import NoStreams, Streams

CACHE_DEBUG = "x-cache-debug"  # the header of a request for `extensions.cache`
PROBE_SECONDS = 2.0  # timeout of a test call to a subgraph


class Gateway:
    """One supergraph with its caches; it answers requests over it.

    `guards`: the checks of each request. `streams`: opens streams at subgraphs. `hub`: the subscriptions;
    that of the gateway before, if this one replaces it.
    """

    def __init__(
        self,
        engine: Engine,
        hooks: Hooks | None = None,
        guards: Guards | None = None,
        streams: Streams | None = None,
        hub: Hub | None = None,
    ) -> None:
        self.engine = engine
        self.streams = streams or NoStreams()
        self.hub = hub or Hub(engine.settings.subscriptions, engine.clock)
        self.guards = guards or Guards()
        self.hooks = hooks or Hooks()
        self.prepared = PreparedOperations(engine)
        self.shared_executions = SharedExecutions()
        names = engine.settings.headers.forward
        self.forward = tuple(name.encode("latin-1", "replace") for name in names if name != FORWARDED)
        self.forward_address = FORWARDED in names
        self.hooked = self.hooks.wraps_requests
        self.checks = tuple(guard.before_planning for guard in self.guards.planning)
        self.direct = not (self.hooked or self.guards.execution)
        self.claim_rules = engine.settings.authentication.claims
        self.header_rules = request_header_rules(engine.settings)
        cache = engine.cache
        self.responses = CachedResponses(engine, cache, names) if cache is not None else None

    def start(self) -> None:
        """Start what runs in the background; called in the event loop before the first request."""
        for guard in self.guards.all:
            guard.start()
        if self.engine.cache is not None:
            self.engine.cache.start()
        if self.hub.source is None:
            self.hub.serve(self)

    async def take_over_subscriptions(self) -> None:
        """Execute the subscriptions of the gateway before from now on, and end those that have changed."""
        await self.hub.reload(self.engine.settings.subscriptions, self)

    @property
    def identity_finder(self) -> Identify | None:
        """Return what finds the identity of a context; None if callers have none."""
        return self.identify if self.guards.identity is not None else None

    def identify(self, context: RequestContext) -> Identity | Awaitable[Identity]:
        """Return the identity of a request. It, or the awaitable, raises RequestError UNAUTHENTICATED."""
        guard = self.guards.identity
        return ANONYMOUS if guard is None else guard.identify(context)

    def connect(self, context: RequestContext, every: bool = False) -> Identity | Awaitable[Identity]:
        """Return the identity of a caller that opens a connection for later requests; see
        `Guards.connect`.
        """
        return self.guards.connect(context, every)

    def end_streams(self) -> None:
        """End all subscriptions, as the process ends; clients may subscribe again elsewhere."""
        self.hub.end_all()

    async def close(self, successor: "Gateway | None" = None) -> None:
        """End what runs in the background, and close the connections; requests in progress still end.

        `successor`: the gateway that continues with the same cache, if it has the same.
        """
        if successor is None or successor.hub is not self.hub:
            await self.hub.close()
        await self.guards.close()
        await self.engine.transport.close()
        cache = self.engine.cache
        if cache is not None and (successor is None or successor.engine.cache is not cache):
            await cache.close()

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
        for check in self.checks:
            checked = check(request, context)
            if not isinstance(checked, GraphQLRequest):
                passed = self._planned_later(checked, self.checks.index(check) + 1, context)
                return asyncio.ensure_future(self._start_later(passed, answered))
            request = checked
        if self.direct:
            return self._execute(request, context, self.prepared.find(request, context), answered)
        return self._begin(request, context, answered)

    async def _planned_later(
        self, waiting: Awaitable[GraphQLRequest], rest: int, context: RequestContext
    ) -> StartExecution:
        """Return what plans and starts a request, when the guards from the position `rest` on let it pass."""
        return partial(self._begin, await self.guards.pass_planning(waiting, rest, context), context)

    @staticmethod
    async def _start_later(passed: Awaitable[StartExecution], answered: EnvelopeCallback) -> None:
        """Answer a request as soon as it has passed the guards; `passed` returns what starts it."""
        try:
            envelope: Envelope | BaseException = await envelope_of(await passed)
        except Exception as error:
            envelope = error
        answered(envelope)

    def _begin(self, request: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback) -> Handle:
        """Plan a request that has passed the guards, and start to answer it."""
        if self.hooked:
            return self._begin_hooked(request, context, answered)
        planned = self.prepared.find(request, context)
        if self.guards.execution:
            return self._execute_guarded(request, context, planned, answered)
        return self._execute(request, context, planned, answered)

    def _execute_guarded(
        self,
        request: GraphQLRequest,
        context: RequestContext,
        planned: PlannedRequest,
        answered: EnvelopeCallback,
    ) -> Handle:
        """Have the guards check a planned request, then execute it; at once if no guard waits."""
        start = partial(self._execute, request, context, planned)
        for position, guard in enumerate(self.guards.execution, 1):
            waiting = guard.before_execution(planned, context)
            if waiting is not None:
                passed = self._checked_later(waiting, position, planned, context, start)
                return asyncio.ensure_future(self._start_later(passed, answered))
        return start(answered)

    async def _checked_later(
        self,
        waiting: Awaitable[None],
        rest: int,
        planned: PlannedRequest,
        context: RequestContext,
        start: StartExecution,
    ) -> StartExecution:
        """Return `start` once all guards have let a planned request pass.

        `waiting`: the result of the guard that has to wait; `rest`: the position of the next guard. Raises
        the error of a guard that refuses the request.
        """
        await waiting
        await self.guards.pass_execution(planned, context, rest)
        return start

    def _execute(
        self,
        request: GraphQLRequest,
        context: RequestContext,
        planned: PlannedRequest,
        answered: EnvelopeCallback,
    ) -> Handle:
        """Start the execution; equal concurrent queries share one."""
        engine = self.engine
        settings = engine.settings
        known, prepared, key, variables = planned
        headers = self.subgraph_headers(context)
        inputs = ExecutionInputs(variables, headers, settings.timeout, context)
        if known.is_subscription or prepared.later is not None:
            stream = self._stream(request, planned, inputs)
            if stream is not None:
                return engine.clock.call_soon(answered, Envelope(stream))
        if request.plan and shows_plan(settings, request.plan):
            return answer_with_plan(engine, prepared, inputs, request.plan, answered)
        if self.responses is not None and known.is_query:
            return self._execute_cached(self.responses, prepared, key, inputs, answered)
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

    def _stream(
        self, request: GraphQLRequest, planned: PlannedRequest, inputs: ExecutionInputs
    ) -> ResponseStream | None:
        """Return the response to a subscription, or to a request of which parts are sent later.

        None for another request, and if only the plan is wanted.
        """
        known, prepared, _, _ = planned
        if known.is_subscription:
            if request.plan == "only":
                return None
            return HubStream(self.hub, self._planned(request, planned, inputs))
        if request.plan or request.incremental is None:
            return None
        inputs.context.spending = None  # the parts cost what they cost when they come
        return IncrementalStream(prepared.later, self.engine, inputs, request.incremental)

    def _execute_cached(
        self,
        responses: CachedResponses,
        prepared: PreparedOperation,
        key: PlanKey,
        inputs: ExecutionInputs,
        answered: EnvelopeCallback,
    ) -> Handle:
        """Answer a query with a cached response; without one execute it, and store the response."""
        context, settings = inputs.context, self.engine.settings
        start: StartExecution = partial(begin, self.engine, prepared, inputs)
        if settings.cache.debug and context.headers.get(CACHE_DEBUG) == "1":
            context.cache_trace = []
            return start(partial(_with_cache_trace, context, answered))
        try:
            encoded = encode_json(inputs.variables) if inputs.variables else b""
        except TypeError:  # not encodable as JSON; the execution reports it
            return start(answered)
        if responses.is_used and context.spending is None:  # spending: the response tells what it has cost
            found = responses.answer(key, prepared, encoded, inputs, answered)
            if found is not None:
                return found
            start = responses.storing(start, key, prepared, encoded, inputs)
        if not settings.share:
            return start(answered)
        position = responses.cache.fence.local.position  # none joins an execution from before an invalidation
        sharing = (
            key,
            encoded,
            inputs.headers.sharing_key,
            context.sharing_key(),
            context.cache_mode,
            position,
        )
        return self.shared_executions.share(sharing, start, answered)

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
                planned = self.prepared.find(request, context)
                await self.guards.pass_execution(planned, context)
                known, prepared, _, _ = planned
                self.hooks.planned(context, known.checked.document, known.node, prepared.plan)
                envelope = await envelope_of(partial(self._execute, request, context, planned))
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

    def plan_subscription(self, request: GraphQLRequest, context: RequestContext) -> Planned:
        """Return the plan of a subscription whose caller is known. Raises RequestError."""
        planned = self.prepared.find(request, context)
        inputs = ExecutionInputs(
            planned[3], self.subgraph_headers(context), self.engine.settings.timeout, context
        )
        return self._planned(request, planned, inputs)

    def _planned(self, request: GraphQLRequest, planned: PlannedRequest, inputs: ExecutionInputs) -> Planned:
        """Return a subscription that can be joined; see `planned_subscription`."""
        _, prepared, key, _ = planned
        subscription = Subscription(self.engine, prepared, inputs, self.hooks.on_event)
        return planned_subscription(request, subscription, key, is_local=self.hooked)

    def subgraph_headers(self, context: RequestContext) -> Headers:
        """Return the headers that subgraphs receive: the client's, those with claims, those by rules."""
        given = context.headers
        if isinstance(given, RequestHeaders):
            headers = Headers(given.chosen(self.forward, self.forward_address))
        else:
            found = [(name, given.get(name)) for name in self.engine.settings.headers.forward]
            headers = Headers.of([(name, value) for name, value in found if value is not None])
        if self.claim_rules:
            headers = headers.adding(claim_headers(self.claim_rules, context.identity.claims))
            context.request_extensions = claim_extensions(self.claim_rules, context.identity.claims)
        return headers if self.header_rules is None else self.header_rules.apply(headers, given)

    async def readiness(self) -> dict[str, str]:
        """Return the state of each subgraph: "up", or the error code of a test call."""
        names = list(self.engine.supergraph.subgraphs)
        states = await asyncio.gather(*(self._probe(name) for name in names))
        return dict(zip(names, states, strict=True))

    async def _probe(self, name: str) -> str:
        rules = self.header_rules
        headers = NO_HEADERS if rules is None else rules.without_client(name)
        call = call_for(name, "{__typename}", headers=headers, timeout=PROBE_SECONDS, clock=self.engine.clock)
        try:
            await send_and_read(self.engine.transport, call)
        except SubgraphError as error:
            return error.code
        return "up"


def _with_cache_trace(
    context: RequestContext, answered: EnvelopeCallback, found: Envelope | BaseException
) -> None:
    """Pass a response on with what the cache did for it."""
    if isinstance(found, Envelope):
        body = read_json(found.response) if isinstance(found.response, bytes) else found.response
        if isinstance(body, Mapping):
            extensions = {**body.get("extensions", {}), "cache": context.cache_trace or []}
            found = found._replace(response={**body, "extensions": extensions})
    answered(found)
