"""Wiring: the only file that knows everyone. Nothing happens on import."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from secrets import randbelow
from typing import Any, Generic, TypeVar

from graphql.language import OperationDefinitionNode
from starlette.applications import Starlette

from gateway.core.errors import RequestError, SettingsError, SubgraphError
from gateway.execute.loader.loader import Loader
from gateway.flights import Flights, key_of
from gateway.http.endpoint import Endpoint
from gateway.http.examples import read_examples
from gateway.http.headers import RequestHeaders
from gateway.http.read import Ask
from gateway.http.respond import Answer, refusal, refused
from gateway.http.routes import Routes, Site
from gateway.pipeline import (
    Answered,
    Checked,
    Engine,
    InvalidDocument,
    Prepared,
    awaited,
    begin,
    check,
    pick,
    prepare,
    run,
    variables_for,
)
from gateway.plan.explain import plan_json, print_plan
from gateway.request.labels import index_labels, labels_on, point_of
from gateway.settings import Settings
from gateway.supergraph.graph import Graph
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph, named
from gateway.supergraph.unenforced import refuse_unenforced
from gateway.transport.base import Handle, Headers, SubgraphRequest, Transport
from gateway.transport.http import HttpTransport
from gateway.transport.local import LocalExecutor, LocalTransport
from gateway.triggers import Sagas, TriggeringTransport

K = TypeVar("K")
V = TypeVar("V")
WARMED = 200  # operations
KEPT_TEXT = 50_000  # characters; a longer document is not worth its place in the cache


class Remembered(Generic[K, V]):
    """The results of the last uses of a function, refusals included."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.misses = 0
        self.values: OrderedDict[K, V | RequestError] = OrderedDict()

    def get(self, key: K, make: Callable[[], V], keep: bool = True) -> V:
        """The value for a key, made now if it is not known; raises again what making it raised."""
        found = self.values.get(key)
        if found is None:
            self.misses += 1
            try:
                found = make()
            except RequestError as error:
                found = error
            if keep:
                self.values[key] = found
                if len(self.values) > self.size:
                    self.values.popitem(last=False)
        else:
            self.values.move_to_end(key)
        if isinstance(found, RequestError):
            raise found.with_traceback(None)
        return found


@dataclass(frozen=True, slots=True)
class Ready:
    """An operation that was answered before. `prepared`: its plan, if nothing of a request decides about that."""

    node: OperationDefinitionNode
    checked: Checked
    prepared: Prepared | None

    @property
    def changes(self) -> bool:
        """Whether it is no query."""
        return self.node.operation.value != "query"


PlanKey = tuple[str, str | None, tuple[Any, ...], frozenset[str]]


class Gateway:
    """One supergraph being served: the pipeline with its plan cache around it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        size = engine.settings.plan_cache
        self.documents: Remembered[str, Checked] = Remembered(size)
        self.plans: Remembered[PlanKey, Prepared] = Remembered(size)
        self.flights = Flights()
        self.ready: Remembered[tuple[str, str | None], Ready] = Remembered(size)
        self.forward = tuple((name, name.encode("latin-1", "replace")) for name in engine.settings.headers.forward)

    async def answer(self, ask: Ask, headers: Mapping[str, str]) -> Answer:
        """Answer one request; what is wrong with it becomes a refusal."""
        try:
            known = await awaited(partial(self.quick, ask, headers))
            return await self._answer(ask, headers) if known is None else Answer(known.response)
        except InvalidDocument as error:
            return refusal(error.errors)
        except RequestError as error:
            if error.status == 405:
                raise
            return refused(error)

    async def _answer(self, ask: Ask, headers: Mapping[str, str]) -> Answer:
        keep = len(ask.query) <= KEPT_TEXT
        checked = self.documents.get(ask.query, lambda: check(self.engine, ask.query), keep)
        node = pick(checked, ask.operation_name)
        if ask.query_only and node.operation.value != "query":
            message = f"a {node.operation.value} can't be sent by GET; use POST"
            raise RequestError(message, "METHOD_NOT_ALLOWED", status=405)
        variables = variables_for(self.engine, node, ask.variables)
        labels = self.labels_for(checked, headers)
        key = plan_key(ask, checked, variables, labels)
        prepared = self.plans.get(key, lambda: prepare(self.engine, checked, node, variables, labels), keep)
        sent = self.forwarded(headers)
        if not (ask.plan and self.engine.settings.plan_header):
            if keep:
                always = None if checked.conditions or checked.labels else prepared
                self.ready.get((ask.query, ask.operation_name), lambda: Ready(node, checked, always))
                if always is not None:
                    self.plans.values.pop(key, None)  # it is found there from now on
            written = await awaited(partial(self.begin, ask, node, prepared, variables, labels, sent))
            assert written is not None  # noqa: S101 - an execution always begins
            return Answer(written.response)
        response = (await run(self.engine, prepared, variables, sent)).response
        if isinstance(response, dict):
            plan = {"text": print_plan(prepared.plan), "json": plan_json(prepared.plan)}
            response.setdefault("extensions", {})["plan"] = plan
        return Answer(response)

    def quick(self, ask: Ask, headers: Mapping[str, str], answered: Answered) -> Handle | None:
        """Begin to answer an operation that was answered before; None for any other, and for one that can't be answered.

        Then `answer` has to do it. `answered` is called back once, never before this returns.
        """
        ready = self.ready.values.get((ask.query, ask.operation_name))
        if ask.plan or not isinstance(ready, Ready) or (ask.query_only and ready.changes):
            return None
        self.ready.values.move_to_end((ask.query, ask.operation_name))
        try:
            variables = variables_for(self.engine, ready.node, ask.variables)
        except RequestError:
            return None
        labels: frozenset[str] = frozenset()
        prepared = ready.prepared
        if prepared is None:
            labels = self.labels_for(ready.checked, headers)
            found = self.plans.values.get(plan_key(ask, ready.checked, variables, labels))
            if not isinstance(found, Prepared):
                return None
            prepared = found
        return self.begin(ask, ready.node, prepared, variables, labels, self.forwarded(headers), answered)

    def begin(
        self,
        ask: Ask,
        node: OperationDefinitionNode,
        prepared: Prepared,
        variables: Mapping[str, Any],
        labels: frozenset[str],
        headers: Headers,
        answered: Answered,
    ) -> Handle:
        """Begin an execution; equal queries under way share one."""
        if self.engine.settings.share and node.operation.value == "query":
            key = key_of(ask.query, ask.operation_name, variables, headers)
            if key is not None:
                start = partial(begin, self.engine, prepared, variables, headers)
                return self.flights.share((key, labels) if labels else key, start, answered)
        return begin(self.engine, prepared, variables, headers, answered)

    def warm(self, other: "Gateway") -> None:
        """Plan what was asked last of another gateway, as far as it can be asked here: so that a new supergraph makes nobody wait."""
        for query, name in list(other.ready.values)[-WARMED:]:
            with suppress(RequestError):
                checked = self.documents.get(query, partial(check, self.engine, query))
                if not checked.conditions and not checked.labels:
                    node = pick(checked, name)
                    key = (query, name or None, (), frozenset[str]())
                    prepared = self.plans.get(key, partial(prepare, self.engine, checked, node, {}))
                    self.ready.get((query, name), partial(Ready, node, checked, prepared))

    def labels_for(self, checked: Checked, headers: Mapping[str, str]) -> frozenset[str]:
        """The progressive overrides that are on for a request; a user stays on one side of a share."""
        if not checked.labels:
            return frozenset()
        settings = self.engine.settings
        user = headers.get(settings.sticky_header)
        point = point_of(user) if user is not None else randbelow(10_000) / 100
        return labels_on(checked.labels, settings.labels, point)

    def forwarded(self, headers: Mapping[str, str]) -> Headers:
        """The client's headers that go on to subgraphs."""
        if isinstance(headers, RequestHeaders):
            return headers.chosen(self.forward)
        found = [(name, headers.get(name)) for name in self.engine.settings.headers.forward]
        return tuple([(name, value) for name, value in found if value is not None])

    async def readiness(self) -> dict[str, str]:
        """Which subgraphs answer: `up`, or the code of what went wrong."""
        names = list(self.engine.supergraph.subgraphs)
        states = await asyncio.gather(*(self._probe(name) for name in names))
        return dict(zip(names, states, strict=True))

    async def _probe(self, name: str) -> str:
        try:
            await self.engine.transport.send(SubgraphRequest(name, "{__typename}"), 2.0)
        except SubgraphError as error:
            return error.code
        return "up"


def plan_key(ask: Ask, checked: Checked, variables: Mapping[str, Any], labels: frozenset[str]) -> PlanKey:
    """All that a plan depends on."""
    return ask.query, ask.operation_name or None, tuple(variables.get(name) for name in checked.conditions), labels


def check_triggers(supergraph: Supergraph, sagas: Sagas) -> None:
    """Refuse triggers that nothing would ever pull: SettingsError BAD_OPTION."""
    mutations = supergraph.api.mutation_type
    known = mutations.fields if mutations is not None else {}
    for trigger in sagas.triggers:
        item = known.get(trigger.mutation)
        if item is None:
            raise SettingsError(f"there is no mutation {trigger.mutation} that could start a saga", "BAD_OPTION")
        arguments = (trigger.key_argument, trigger.wait, *trigger.inputs.values())
        if missing := [name for name in arguments if name is not None and name not in item.args]:
            raise SettingsError(f"the mutation {trigger.mutation} has no argument {', '.join(missing)}", "BAD_OPTION")
        if named(str(item.type)) != trigger.type:
            raise SettingsError(f"the mutation {trigger.mutation} gives no {trigger.type}", "BAD_OPTION")
        sagas.definitions.newest(trigger.saga)


def make_transport(supergraph: Supergraph, settings: Settings, local: Mapping[str, LocalExecutor] | None) -> Transport:
    """The way to the subgraphs: direct calls for those in this process, HTTP for all others."""
    urls = {name: settings.urls.get(name, subgraph.url) for name, subgraph in supergraph.subgraphs.items()}
    if unknown := sorted(set(settings.urls) - set(urls)):
        message = f"there is no subgraph {', '.join(unknown)}; the supergraph has {', '.join(sorted(urls))}"
        raise SettingsError(message, "UNKNOWN_SUBGRAPH")
    if local is not None:
        return LocalTransport(local)
    known = {name: url for name, url in urls.items() if url}
    return HttpTransport(known, settings.wire)


def create_gateway(
    supergraph_sdl: str,
    settings: Settings,
    local: Mapping[str, LocalExecutor] | None = None,
    sagas: Sagas | None = None,
) -> Gateway:
    """A gateway over a supergraph; raises SupergraphError (also for what it does not enforce) or SettingsError.

    `sagas`: mutations that start sagas; the headers that they look at are forwarded.
    """
    supergraph = load_supergraph(supergraph_sdl)
    refuse_unenforced(supergraph)
    transport = make_transport(supergraph, settings, local)
    if unknown := sorted(settings.labels - supergraph.labels):
        known = ", ".join(sorted(supergraph.labels)) or "none"
        raise SettingsError(
            f"there is no override label {', '.join(unknown)}; the supergraph has {known}", "BAD_OPTION"
        )
    if sagas is not None:
        check_triggers(supergraph, sagas)
        transport = TriggeringTransport(transport, sagas)
        forward = (*settings.headers.forward, *(one for one in sagas.headers if one not in settings.headers.forward))
        settings = replace(settings, headers=replace(settings.headers, forward=forward))
    loader = Loader(transport) if settings.batch else None
    return Gateway(Engine(supergraph, Graph(supergraph), transport, settings, index_labels(supergraph), loader=loader))


Hook = Callable[[], Awaitable[None]]


def create_app(
    supergraph_sdl: str,
    settings: Settings,
    local: Mapping[str, LocalExecutor] | None = None,
    *,
    sagas: Sagas | None = None,
    started: Hook | None = None,
    stopped: Hook | None = None,
) -> Routes:
    """The ASGI application over a supergraph. `local`: subgraphs in this process, by name, called directly.

    `sagas`: mutations that start sagas. `started` and `stopped` run with the application's lifespan, for services that live in
    this process.
    """
    return Served(create_gateway(supergraph_sdl, settings, local, sagas), started, stopped, sagas).routes


class Served:
    """A gateway and the ASGI application that serves it, `routes`; another gateway may take its place while requests run.

    `started` and `stopped` run with the application's lifespan.
    """

    def __init__(
        self,
        gateway: Gateway,
        started: Hook | None = None,
        stopped: Hook | None = None,
        sagas: Sagas | None = None,
    ) -> None:
        self.gateway = gateway
        self.sagas = sagas
        self.started = started
        self.stopped = stopped
        self.routes = Routes(site_of(gateway), self.lifespan)

    async def replace(self, gateway: Gateway) -> None:
        """Serve another gateway from now on; requests that are under way are answered by the one they came to."""
        site = site_of(gateway)
        before, self.gateway = self.gateway, gateway
        self.routes.site = site
        await before.engine.transport.close()

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """What surrounds serving."""
        if self.sagas is not None and self.sagas.opened is not None:
            await self.sagas.opened()
        if self.started:
            await self.started()
        try:
            yield
        finally:
            await self.gateway.engine.transport.close()
            if self.sagas is not None and self.sagas.closed is not None:
                await self.sagas.closed()
            if self.stopped:
                await self.stopped()


def site_of(gateway: Gateway) -> Site:
    """What the routes need of a gateway."""
    settings = gateway.engine.settings
    endpoint = Endpoint(gateway.answer, gateway.quick, settings.limits.body)
    return Site(endpoint, gateway.readiness, read_examples(settings.operations), settings.graphiql)
