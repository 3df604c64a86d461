"""Wiring: creates every object and passes it to the objects that need it.

Start at `create_app`. Importing this module has no effects.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from starlette.applications import Starlette

from gateway.answering import Gateway
from gateway.cache.cache import Cache, kept_cache, make_cache
from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SettingsError
from gateway.documents.selectors import DocumentSelectors
from gateway.engine import Engine, make_engine
from gateway.event_streams.make import FieldStreams, kept_event_streams, make_event_streams
from gateway.execute.cached.transport import CachedTransport
from gateway.guards.make import make_guards
from gateway.http.cache_admin import CacheAdmin
from gateway.http.cors import cors
from gateway.http.csrf import csrf_check
from gateway.http.endpoint import Endpoint
from gateway.http.examples import read_examples
from gateway.http.read import DocumentFinder
from gateway.http.routes import HttpService, Routes
from gateway.observe.log import Log
from gateway.observe.observer import Observer
from gateway.plugins import Hooks
from gateway.settings import Settings
from gateway.subscribe.hub import Hub
from gateway.subscribe.workers import Workers
from gateway.supergraph.incremental import with_incremental
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph, named
from gateway.supergraph.unenforced import refuse_unenforced
from gateway.transport.base import Transport
from gateway.transport.http import transport_for
from gateway.transport.local import LocalExecutor, LocalTransport
from gateway.transport.make_streams import make_streams
from gateway.transport.observed import observed
from gateway.transport.streams import NoStreams, Streams
from gateway.transport.uploads import FormTransport, UploadTransport
from gateway.triggers import Sagas, TriggeringTransport


def check_triggers(supergraph: Supergraph, sagas: Sagas) -> None:
    """Raise SettingsError BAD_OPTION for a trigger that does not fit the supergraph's mutations."""
    mutations = supergraph.api.mutation_type
    known = mutations.fields if mutations is not None else {}
    for trigger in sagas.triggers:
        item = known.get(trigger.mutation)
        if item is None:
            message = f"the trigger {trigger.mutation}: the supergraph has no mutation of this name"
            raise SettingsError(message, "BAD_OPTION")
        arguments = (trigger.key_argument, trigger.wait, *trigger.inputs.values())
        if missing := [name for name in arguments if name is not None and name not in item.args]:
            message = f"the trigger {trigger.mutation}: the mutation has no argument {', '.join(missing)}"
            raise SettingsError(message, "BAD_OPTION")
        if named(str(item.type)) != trigger.type:
            message = f"the trigger {trigger.mutation}: expected the type {trigger.type}, found {item.type}"
            raise SettingsError(message, "BAD_OPTION")
        sagas.definitions.newest(trigger.saga)


def subgraph_urls(supergraph: Supergraph, settings: Settings) -> dict[str, str]:
    """Return the URLs of the subgraphs that have one: from the settings, or else from the supergraph."""
    given = settings.subgraphs
    found = {
        name: (given[name].url if name in given else None) or subgraph.url
        for name, subgraph in supergraph.subgraphs.items()
    }
    return {name: url for name, url in found.items() if url}


def make_transport(
    supergraph: Supergraph, settings: Settings, local: Mapping[str, LocalExecutor] | None, clock: Clock
) -> Transport:
    """Return the transport to the subgraphs: direct calls to the subgraphs in `local`, if given, else HTTP.

    Raises SettingsError UNKNOWN_SUBGRAPH for a URL of a subgraph that the supergraph does not have.
    """
    given, urls = settings.subgraphs, subgraph_urls(supergraph, settings)
    names = supergraph.subgraphs
    if unknown := sorted(set(given) - set(names)):
        message = f"there is no subgraph {', '.join(unknown)}; the supergraph has {', '.join(sorted(names))}"
        raise SettingsError(message, "UNKNOWN_SUBGRAPH")
    if local is not None:
        return LocalTransport(local, clock)
    transport = transport_for(urls, settings, clock)
    if not settings.uploads.enabled:
        return transport
    return UploadTransport(transport, transport_for(urls, settings, clock, FormTransport))


def check_labels(supergraph: Supergraph, settings: Settings) -> None:
    """Raise SettingsError BAD_OPTION for labels in the settings that no @override of the supergraph has."""
    if unknown := sorted(settings.labels - supergraph.labels):
        known = ", ".join(sorted(supergraph.labels)) or "none"
        message = f"there is no override label {', '.join(unknown)}; the supergraph has {known}"
        raise SettingsError(message, "BAD_OPTION")


def create_gateway(
    supergraph_sdl: str,
    settings: Settings,
    local: Mapping[str, LocalExecutor] | None = None,
    sagas: Sagas | None = None,
    *,
    observer: Observer | None = None,
    plugins: Iterable[object] = (),
    clock: Clock = SYSTEM_CLOCK,
    cache: Cache | None = None,
    hub: Hub | None = None,
) -> Gateway:
    """Return a gateway over a supergraph SDL.

    - `local`: subgraphs in this process, by name, called directly.
    - `sagas`: the mutations that start sagas; the headers that they read are added to the forwarded ones.
    - `observer`: receives facts; by default one that logs them.
    - `plugins`: see `gateway.plugins`.
    - `cache`: that of the gateway before, which is kept if the settings of the cache are the same.
    - `hub`: the subscriptions of the gateway before, which go on.

    Raises SupergraphError, also for a feature that the gateway does not enforce, and SettingsError.
    """
    supergraph = load_supergraph(supergraph_sdl)
    refuse_unenforced(supergraph)
    if settings.incremental:
        supergraph = replace(supergraph, api=with_incremental(supergraph.api))
    check_labels(supergraph, settings)
    transport = make_transport(supergraph, settings, local, clock)
    if sagas is not None:
        check_triggers(supergraph, sagas)
        transport = TriggeringTransport(transport, sagas)
        forward = (
            *settings.headers.forward,
            *(name for name in sagas.headers if name not in settings.headers.forward),
        )
        settings = replace(settings, headers=replace(settings.headers, forward=forward))
    hooks = Hooks(plugins)
    if observer is None:
        observer = Observer([Log()])
    transport = observed(hooks.around(transport), observer)
    cache = kept_cache(cache, settings) or make_cache(settings, observer, clock)
    engine = make_engine(supergraph, transport, settings, observer, clock, cache)
    guards = make_guards(settings, hooks, observer, clock)
    before = hub.source.streams if hub is not None and hub.source is not None else None
    hub = hub or Hub(settings.subscriptions, clock)
    streams = _streams(supergraph, settings, local is not None, engine, before, hub)
    return Gateway(engine, hooks, guards, streams, hub)


def _streams(
    supergraph: Supergraph,
    settings: Settings,
    is_local: bool,
    engine: Engine,
    before: Streams | None,
    hub: Hub,
) -> Streams:
    """Return what opens streams of events: from Redis for some fields, from subgraphs for the others.

    `is_local`: whether the subgraphs are in this process, where they have no streams. `before`: the streams
    of the gateway before.
    """
    clock = engine.clock
    rest: Streams = NoStreams()
    if not is_local:
        callback = settings.subscriptions.callback
        others: dict[str, Streams] = {}
        if callback.url is not None:
            others["callback"] = hub.callbacks_at(callback, engine.transport)
        rest = make_streams(subgraph_urls(supergraph, settings), settings, clock, others)
    events = kept_event_streams(before, settings)
    if events is not None:
        events.supergraph, events.cache = supergraph, engine.cache
    else:
        events = make_event_streams(settings, supergraph, engine.cache, engine.observer, clock)
    return rest if events is None else FieldStreams(events, rest)


Callback = Callable[[], Awaitable[None]]


def create_app(
    supergraph_sdl: str,
    settings: Settings,
    local: Mapping[str, LocalExecutor] | None = None,
    *,
    sagas: Sagas | None = None,
    observer: Observer | None = None,
    plugins: Iterable[object] = (),
    clock: Clock = SYSTEM_CLOCK,
) -> Routes:
    """Return the ASGI application over a supergraph SDL; the arguments are those of `create_gateway`."""
    gateway = create_gateway(
        supergraph_sdl, settings, local, sagas, observer=observer, plugins=plugins, clock=clock
    )
    return GatewayApp(gateway, sagas=sagas).routes


class GatewayApp:
    """A gateway and the ASGI application that serves it, `routes`.

    The gateway can be replaced while requests run. `started` is awaited when the application starts.
    `workers`: the processes of this host that share subscriptions; None for one process.
    """

    def __init__(
        self,
        gateway: Gateway,
        started: Callback | None = None,
        sagas: Sagas | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.gateway = gateway
        self.workers = workers
        self.sagas = sagas
        self.started = started
        self.routes = Routes(http_service(gateway), self.lifespan)
        serve_connections(self.routes)

    async def replace(self, gateway: Gateway) -> None:
        """Serve another gateway from now on.

        Requests in progress are answered by the gateway that received them.
        """
        service = http_service(gateway)
        before, self.gateway = self.gateway, gateway
        gateway.start()
        self.routes.service = service
        serve_connections(self.routes)
        await gateway.take_over_subscriptions()
        await before.close(successor=gateway)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Open sagas when the application starts; close sagas and connections when it ends (the ASGI
        lifespan).
        """
        if self.sagas is not None and self.sagas.opened is not None:
            await self.sagas.opened()
        self.gateway.start()
        if self.workers is not None:
            self.routes.single.work_with(self.workers)
            await self.gateway.hub.work_with(self.workers)
        if self.started:
            await self.started()
        try:
            yield
        finally:
            await self.gateway.close()
            if self.sagas is not None and self.sagas.closed is not None:
                await self.sagas.closed()


def http_service(gateway: Gateway) -> HttpService:
    """Return what the HTTP routes serve for a gateway: its endpoint, readiness, examples and GraphiQL."""
    settings = gateway.engine.settings
    documents = DocumentSelectors(settings.documents.selectors) if settings.documents.enabled else None
    endpoint = Endpoint(
        gateway,
        settings.limits.body,
        settings.http_status,
        csrf_check(settings.csrf),
        cors(settings.cors),
        documents,
        settings.subscriptions,
        settings.limits.batch,
        settings.uploads if settings.uploads.enabled else None,
    )
    examples = read_examples(settings.operations)
    clock = gateway.engine.clock
    callback = gateway.hub.callback if gateway.hub.callbacks is not None else None
    return HttpService(
        endpoint,
        gateway.readiness,
        examples,
        settings.graphiql,
        clock,
        cache_admin(gateway),
        settings,
        callback,
    )


def serve_connections(routes: Routes) -> None:
    """Have the doors for WebSockets and for single connections serve what the HTTP routes serve."""
    endpoint, settings = routes.service.endpoint, routes.service.settings
    routes.single.serve(endpoint)
    finder = None if endpoint.documents is None else DocumentFinder(endpoint.documents, b"", "")
    identity_headers = ("authorization", settings.authentication.header, settings.keys.header)
    routes.websockets.serve(
        endpoint.handler, settings.subscriptions, endpoint.max_body, identity_headers, finder, endpoint.cors
    )


def cache_admin(gateway: Gateway) -> CacheAdmin | None:
    """Return what serves /cache; None without a cache or a secret for it."""
    engine = gateway.engine
    secret = engine.settings.cache.invalidation.secret
    if engine.cache is None or secret is None:
        return None
    requests = engine.queries if isinstance(engine.queries, CachedTransport) else None
    return CacheAdmin(engine.cache, requests, gateway.responses, engine.supergraph, secret.value)
