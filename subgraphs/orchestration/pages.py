"""The dashboard: sagas by status, how long they take, where they fail, one saga's timeline, and an operator's
words; live.

Everything but the page itself wants an admin's token in the Authorization header, which no foreign site can
make a browser send.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.saga.machine import VERBS, Verb
from gateway.saga.overview import Wanted, figures, newest
from subgraphs.kit import checks
from subgraphs.kit.clock import SYSTEM_CLOCK, Clock
from subgraphs.kit.errors import BadUserInput, DomainError, Forbidden, Unauthenticated
from subgraphs.kit.identity import Identity, TokenVerifier
from subgraphs.orchestration.engine import SagaEngine

FOLDER = Path(__file__).parent / "dashboard"
SHOWN = 50
LOOK = 1.0  # seconds between two looks for something new
HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "CONFLICT": 409}
Answer = Callable[[Request, Identity], Awaitable[Any]]


class Dashboard:
    """The service's door with the dashboard beside it."""

    def __init__(
        self, door: ASGIApp, engine: SagaEngine, verifier: TokenVerifier, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.clock = clock
        self.door = door
        self.engine = engine
        self.verifier = verifier
        self.pages = Starlette(
            routes=[
                Route("/dashboard/api/events", self.events),
                Route("/dashboard/api/sagas/{id}", self.guarded(self.saga)),
                Route("/dashboard/api/sagas/{id}/{verb}", self.guarded(self.operate), methods=["POST"]),
                Mount("/dashboard", StaticFiles(directory=FOLDER, html=True)),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith("/dashboard"):
            await self.pages(scope, receive, _with_headers(send))
        else:
            await self.door(scope, receive, send)

    def admin(self, request: Request) -> Identity:
        """Who asks, if it is an admin."""
        identity = self.verifier.identity(request.headers.get("authorization"))
        if identity is None:
            raise Unauthenticated("Log in as an admin first")
        if not identity.is_admin:
            raise Forbidden("Only for admins")
        return identity

    def guarded(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """An answer for admins alone; what is wrong is said as JSON."""

        async def serve(request: Request) -> Response:
            try:
                return _json(await answer(request, self.admin(request)))
            except DomainError as error:
                return refused(error)

        return serve

    async def saga(self, request: Request, _: Identity) -> Any:
        """One saga, whole."""
        return asdict(await self.engine.view(checks.identifier(request.path_params["id"], "id")))

    async def operate(self, request: Request, by: Identity) -> Any:
        """An operator's word."""
        verb = request.path_params["verb"]
        if verb not in VERBS:
            raise BadUserInput(f"An operator says one of {', '.join(VERBS)}")
        try:
            given = orjson.loads(await request.body())
            reason = checks.text(given["reason"], "reason", 300)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise BadUserInput("Say why: the body is a JSON object with a reason") from error
        saga_id = checks.identifier(request.path_params["id"], "id")
        return asdict(await self.engine.operate(saga_id, cast(Verb, verb), str(by.user_id), reason))

    async def events(self, request: Request) -> Response:
        """What there is to see, again whenever it has changed: server-sent events (HTML Standard, 9.2)."""
        try:
            self.admin(request)
            status, saga_type = (request.query_params.get(name) or None for name in ("status", "type"))
        except DomainError as error:
            return refused(error)
        return StreamingResponse(
            self.changes(request, Wanted(status, saga_type)), media_type="text/event-stream"
        )

    async def changes(self, request: Request, wanted: Wanted) -> AsyncIterator[bytes]:
        """Each change as an event, and a comment now and then so that a dead connection is noticed."""
        last, quiet = b"", 0
        while not await request.is_disconnected():
            ids = await newest(self.engine.journal.pool, wanted, SHOWN)
            sagas = [asdict(view) for view in await self.engine.journal.views(ids)]
            found = _encode({**await figures(self.engine.journal.pool), "sagas": sagas})
            if found != last:
                last, quiet = found, 0
                yield b"event: sagas\ndata: " + found + b"\n\n"
            else:
                quiet += 1
                if quiet % 15 == 0:
                    yield b": still here\n\n"
            await self.clock.sleep(LOOK)


def refused(error: DomainError) -> Response:
    """What is wrong, as JSON."""
    body = {"message": error.message, "code": error.code}
    return Response(orjson.dumps(body), STATUS.get(error.code, 400), media_type="application/json")


def _encode(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain)


def _json(value: Any) -> Response:
    return Response(_encode(value), media_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return str(value)
    return float(value)


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        await send(message)

    return with_headers
