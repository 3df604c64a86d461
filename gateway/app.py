"""Wiring: the only file that knows everyone. Nothing happens on import."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import randbelow
from typing import Any, Generic, TypeVar

from graphql.language import OperationDefinitionNode
from starlette.applications import Starlette

from gateway.core.errors import RequestError, SettingsError, SubgraphError
from gateway.flights import Flights, key_of
from gateway.http.endpoint import Endpoint
from gateway.http.examples import read_examples
from gateway.http.read import Ask
from gateway.http.respond import Answer, refusal, refused
from gateway.http.routes import Routes, Site
from gateway.pipeline import (
    Checked,
    Engine,
    InvalidDocument,
    Prepared,
    answer,
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
from gateway.supergraph.model import Supergraph
from gateway.supergraph.unenforced import refuse_unenforced
from gateway.transport.base import Headers, SubgraphRequest, Transport
from gateway.transport.http import HttpTransport
from gateway.transport.local import LocalExecutor, LocalTransport

K = TypeVar("K")
V = TypeVar("V")
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
    """An operation that is always planned alike: nothing of a request decides about it but its variables' values."""

    node: OperationDefinitionNode
    prepared: Prepared

    @property
    def changes(self) -> bool:
        """Whether it is no query."""
        return self.node.operation.value != "query"


PlanKey = tuple[str, str | None, tuple[Any, ...], frozenset[str]]


class Gateway:
    """One supergraph being served: the pipeline with its plan cache around it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.documents: Remembered[str, Checked] = Remembered(engine.settings.plan_cache)
        self.plans: Remembered[PlanKey, Prepared] = Remembered(engine.settings.plan_cache)
        self.flights = Flights()
        self.ready: Remembered[tuple[str, str | None], Ready] = Remembered(engine.settings.plan_cache)

    async def answer(self, ask: Ask, headers: Mapping[str, str]) -> Answer:
        """Answer one request; what is wrong with it becomes a refusal."""
        try:
            return await self._answer(ask, headers)
        except InvalidDocument as error:
            return refusal(error.errors)
        except RequestError as error:
            if error.status == 405:
                raise
            return refused(error)

    async def _answer(self, ask: Ask, headers: Mapping[str, str]) -> Answer:
        ready = self.ready.values.get((ask.query, ask.operation_name)) if not ask.plan else None
        if isinstance(ready, Ready) and not (ask.query_only and ready.changes):
            return Answer(await self.execute(ready, ask, self.forwarded(headers)))
        keep = len(ask.query) <= KEPT_TEXT
        checked = self.documents.get(ask.query, lambda: check(self.engine, ask.query), keep)
        node = pick(checked, ask.operation_name)
        if ask.query_only and node.operation.value != "query":
            message = f"a {node.operation.value} can't be sent by GET; use POST"
            raise RequestError(message, "METHOD_NOT_ALLOWED", status=405)
        variables = variables_for(self.engine, node, ask.variables)
        conditions = tuple(variables.get(name) for name in checked.conditions)
        labels = self.labels_for(checked, headers)
        key = (ask.query, ask.operation_name or None, conditions, labels)
        prepared = self.plans.get(key, lambda: prepare(self.engine, checked, node, variables, labels), keep)
        if keep and not checked.conditions and not checked.labels:
            self.ready.get((ask.query, ask.operation_name), lambda: Ready(node, prepared))
        if not (ask.plan and self.engine.settings.plan_header):
            return Answer((await answer(self.engine, prepared, variables, self.forwarded(headers))).response)
        response = await run(self.engine, prepared, variables, self.forwarded(headers))
        if self.engine.settings.plan_header:
            plan = {"text": print_plan(prepared.plan), "json": plan_json(prepared.plan)}
            response["extensions"] = {"plan": plan}
        return Answer(response)

    async def execute(self, ready: Ready, ask: Ask, headers: Headers) -> bytes | dict[str, Any]:
        """The response to an operation that is known; equal queries under way share one execution."""
        variables = variables_for(self.engine, ready.node, ask.variables)
        key = None
        if self.engine.settings.share and not ready.changes:
            key = key_of(ask.query, ask.operation_name, variables, headers)
        if key is None:
            return (await answer(self.engine, ready.prepared, variables, headers)).response
        return await self.flights.share(key, lambda: answer(self.engine, ready.prepared, variables, headers))

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


def make_transport(supergraph: Supergraph, settings: Settings, local: Mapping[str, LocalExecutor] | None) -> Transport:
    """The way to the subgraphs: direct calls for those in this process, HTTP for all others."""
    urls = {name: settings.urls.get(name, subgraph.url) for name, subgraph in supergraph.subgraphs.items()}
    if unknown := sorted(set(settings.urls) - set(urls)):
        message = f"there is no subgraph {', '.join(unknown)}; the supergraph has {', '.join(sorted(urls))}"
        raise SettingsError(message, "UNKNOWN_SUBGRAPH")
    if local is not None:
        return LocalTransport(local)
    known = {name: url for name, url in urls.items() if url}
    return HttpTransport(known, connections=settings.connections, max_reply=settings.max_reply)


def create_gateway(
    supergraph_sdl: str, settings: Settings, local: Mapping[str, LocalExecutor] | None = None
) -> Gateway:
    """A gateway over a supergraph; raises SupergraphError (also for what it does not enforce) or SettingsError."""
    supergraph = load_supergraph(supergraph_sdl)
    refuse_unenforced(supergraph)
    transport = make_transport(supergraph, settings, local)
    if unknown := sorted(settings.labels - supergraph.labels):
        known = ", ".join(sorted(supergraph.labels)) or "none"
        raise SettingsError(
            f"there is no override label {', '.join(unknown)}; the supergraph has {known}", "BAD_OPTION"
        )
    engine = Engine(supergraph, Graph(supergraph), transport, settings, index_labels(supergraph))
    return Gateway(engine)


Hook = Callable[[], Awaitable[None]]


def create_app(
    supergraph_sdl: str,
    settings: Settings,
    local: Mapping[str, LocalExecutor] | None = None,
    *,
    started: Hook | None = None,
    stopped: Hook | None = None,
) -> Routes:
    """The ASGI application over a supergraph. `local`: subgraphs in this process, by name, called directly.

    `started` and `stopped` run with the application's lifespan, for services that live in this process.
    """
    return app_of(create_gateway(supergraph_sdl, settings, local), started=started, stopped=stopped)


def app_of(gateway: Gateway, *, started: Hook | None = None, stopped: Hook | None = None) -> Routes:
    """The ASGI application of a gateway."""
    settings = gateway.engine.settings

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if started:
            await started()
        try:
            yield
        finally:
            await gateway.engine.transport.close()
            if stopped:
                await stopped()

    endpoint = Endpoint(gateway.answer, settings.limits.body)
    site = Site(endpoint, gateway.readiness, read_examples(settings.operations), settings.graphiql)
    return Routes(site, lifespan)
