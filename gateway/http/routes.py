"""The routes of the gateway: /graphql directly; GraphiQL, examples and health checks by Starlette's
router.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.jsontext import encode_json
from gateway.http.asgi import Receive as AsgiReceive
from gateway.http.asgi import Scope, Send, serve_graphql
from gateway.http.cache_admin import CacheAdmin, cache_routes
from gateway.http.callback import Receive, callback_route
from gateway.http.endpoint import Endpoint
from gateway.http.negotiate import prefers_html
from gateway.http.single_door import SingleDoor
from gateway.http.statuses import STATUSES
from gateway.http.websocket_door import WebSocketDoor
from gateway.settings import Settings

ENDPOINT = "/graphql"
BELOW = "/graphql/"
PAGE = Path(__file__).parent / "graphiql" / "dist"
NO_PAGE = "GraphiQL is not installed: run `make env` before building the wheel. POST to /graphql works."
PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
Readiness = Callable[[], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class HttpService:
    """What the routes serve.

    `readiness`: returns the state ("up", ...) of each subgraph. `examples`: operations for GraphiQL.
    `graphiql`: whether to serve GraphiQL. `clock`: for connection timeouts.
    `cache`: serves /cache; None if that does not exist. `settings`: those of the gateway.
    `callback`: processes subgraphs' posts of events; None if there are none.
    """

    endpoint: Endpoint
    readiness: Readiness
    examples: Sequence[Mapping[str, Any]]
    graphiql: bool
    clock: Clock = SYSTEM_CLOCK
    cache: CacheAdmin | None = None
    settings: Settings = field(default_factory=Settings)
    callback: Receive | None = None


class Routes:
    """The ASGI application.

    `service` can be replaced while requests run; each request uses the one that was set when it arrived.
    `websockets`, `single`: the doors for WebSocket connections, and for single connections of graphql-sse,
    which remain when the service is replaced.
    """

    def __init__(self, service: HttpService, lifespan: Callable[[Starlette], Any]) -> None:
        self.service = service
        self.websockets = WebSocketDoor(service.clock)
        self.single = SingleDoor(service.clock)
        self.router = Starlette(routes=_routes(self), lifespan=lifespan, exception_handlers={404: _missing})

    @property
    def clock(self) -> Clock:
        """Return the clock for connection timeouts."""
        return self.service.clock

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: Send) -> None:
        """Pass a request to the endpoint if it is for /graphql, or for a document below it, and not from a
        browser for GraphiQL; otherwise to the router.
        """
        if scope["type"] == "http" and scope["path"] == ENDPOINT and not self._page(scope):
            single = self.single if self.single.is_on else None
            await serve_graphql(self.service.endpoint, scope, receive, send, single=single)
            return
        if scope["type"] == "http" and scope["path"].startswith(BELOW) and self._serves_paths():
            path = scope["path"].removeprefix(ENDPOINT)
            await serve_graphql(self.service.endpoint, scope, receive, send, path)
            return
        if scope["type"] == "http" and scope["path"] == "*":  # OPTIONS * (RFC 9110, 9.3.7)
            await Response(status_code=204, headers={"allow": "GET, POST"})(scope, receive, send)
            return
        await self.router(scope, receive, send)

    def end_streams(self) -> None:
        """End all WebSocket connections and all other streams, as the process ends."""
        self.websockets.close()
        self.single.close()
        self.service.endpoint.end_streams()

    def _serves_paths(self) -> bool:
        """Return whether the paths below /graphql belong to the endpoint: they may have a document id."""
        documents = self.service.endpoint.documents
        return documents is not None and documents.has_paths

    def _page(self, scope: Scope) -> bool:
        """Return whether a request for /graphql gets GraphiQL: a browser's GET without a query."""
        if self.service.endpoint.documents is not None and scope.get("query_string", b""):
            return False  # it may have a document id
        if (
            not self.service.graphiql
            or scope["method"] not in ("GET", "HEAD")
            or b"query=" in scope.get("query_string", b"")
        ):
            return False
        accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
        return prefers_html(accept.decode("latin-1"))


def _routes(served: Routes) -> list[Route | Mount]:
    async def page(_: Request) -> Response:
        index = PAGE / "index.html"
        if not index.exists():
            return PlainTextResponse(NO_PAGE, 503)
        return FileResponse(index, headers=PAGE_HEADERS)

    async def examples(_: Request) -> Response:
        return Response(encode_json(list(served.service.examples)), media_type="application/json")

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        subgraphs = await served.service.readiness()
        up = not subgraphs or any(state == "up" for state in subgraphs.values())
        return JSONResponse(
            {"status": "ok" if up else "down", "subgraphs": dict(subgraphs)}, 200 if up else 503
        )

    async def home(_: Request) -> Response:
        return RedirectResponse("/graphql")

    routes: list[Route | Mount] = [Route("/health/live", live), Route("/health/ready", ready)]
    routes += cache_routes(lambda: served.service.cache)
    routes.append(callback_route(lambda: served.service.callback))
    if served.service.graphiql:
        routes += [Route("/", home), Route("/graphql", page), Route("/graphiql/examples.json", examples)]
        routes.append(Mount("/graphiql", StaticFiles(directory=PAGE, check_dir=False)))
    return routes


async def _missing(request: Request, _: Exception) -> Response:
    message = f"there is nothing at {request.url.path}; the GraphQL endpoint is /graphql"
    return JSONResponse(
        {"errors": [{"message": message, "extensions": {"code": "NOT_FOUND"}}]}, STATUSES["NOT_FOUND"].json
    )
