"""The dashboard of sagas for admins: live lists by status, durations, failures, a saga's timeline,
and commands.

All requests but those for the page itself need an admin's token in the Authorization header, which another
site cannot make a browser send.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.saga.journal import SagaView
from gateway.saga.machine import VERBS, Verb
from gateway.saga.operators import allowed_verbs
from gateway.saga.overview import SagaFilter, newest, statistics
from subgraphs.kit import checks
from subgraphs.kit.clock import SYSTEM_CLOCK, Clock
from subgraphs.kit.errors import BadUserInput, DomainError, Forbidden, Unauthenticated
from subgraphs.kit.identity import Identity, TokenVerifier
from subgraphs.orchestration.dashboard_data import deadline, details, summary
from subgraphs.orchestration.engine import SagaEngine

FOLDER = Path(__file__).parent / "dashboard"
SHOWN_SAGAS = 50
POLL_SECONDS = 1.0  # between two queries for changes
HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
STATUS_OF_CODE = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "CONFLICT": 409}
Respond = Callable[[Request, Identity], Awaitable[Any]]


class Dashboard:
    """An ASGI application that serves /dashboard itself and passes requests for other paths to `app`."""

    def __init__(
        self, app: ASGIApp, engine: SagaEngine, verifier: TokenVerifier, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.clock = clock
        self.app = app
        self.engine = engine
        self.verifier = verifier
        self.pages = Starlette(
            routes=[
                Route("/dashboard/api/events", self.events),
                Route("/dashboard/api/sagas/{id}", self.for_admins(self.saga)),
                Route("/dashboard/api/sagas/{id}/{verb}", self.for_admins(self.operate), methods=["POST"]),
                Mount("/dashboard", StaticFiles(directory=FOLDER, html=True)),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (the ASGI interface)."""
        if scope["type"] == "http" and scope["path"].startswith("/dashboard"):
            await self.pages(scope, receive, _with_headers(send))
        else:
            await self.app(scope, receive, send)

    def admin(self, request: Request) -> Identity:
        """Return the identity of the caller, who must be an admin. Raises Unauthenticated, Forbidden."""
        identity = self.verifier.identity(request.headers.get("authorization"))
        if identity is None:
            raise Unauthenticated("The dashboard needs an admin's token: log in as an admin")
        if not identity.is_admin:
            raise Forbidden(f"The dashboard is for admins only, you have the role {identity.role}")
        return identity

    def for_admins(self, answer: Respond) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint that responds to admins with the result of `answer` as JSON.

        It responds to a DomainError of `answer`, and to callers who are no admins, with `error_response`.
        """

        async def serve(request: Request) -> Response:
            try:
                return _json(await answer(request, self.admin(request)))
            except DomainError as error:
                return error_response(error)

        return serve

    async def saga(self, request: Request, _: Identity) -> Any:
        """Return the whole state of a saga, with its steps and attempts."""
        return await self.details(await self.engine.view(checks.identifier(request.path_params["id"], "id")))

    async def details(self, view: SagaView) -> Any:
        """Return all that the page shows of a saga."""
        verbs = allowed_verbs(self.engine.definitions, view)
        return details(view, await deadline(self.engine.journal.pool, view.id), verbs)

    async def operate(self, request: Request, by: Identity) -> Any:
        """Execute the operator's command in the path on a saga; return its state."""
        verb = request.path_params["verb"]
        if verb not in VERBS:
            raise BadUserInput(f"The command must be one of {', '.join(VERBS)}, got {verb!r}")
        try:
            body = orjson.loads(await request.body())
            reason = checks.text(body["reason"], "reason", 300)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise BadUserInput('The body must be a JSON object with a reason: {"reason": "..."}') from error
        saga_id = checks.identifier(request.path_params["id"], "id")
        view = await self.engine.operate(saga_id, cast(Verb, verb), str(by.user_id), reason)
        return await self.details(view)

    async def events(self, request: Request) -> Response:
        """Stream the list of sagas, again at every change, as server-sent events (HTML Standard, 9.2).

        The parameter `saga` is the id of a saga whose details are in each event, too.
        """
        try:
            self.admin(request)
            status, saga_type, given = (
                request.query_params.get(name) or None for name in ("status", "type", "saga")
            )
            chosen = None if given is None else checks.identifier(given, "saga")
        except DomainError as error:
            return error_response(error)
        changes = self.changes(request, SagaFilter(status, saga_type), chosen)
        return StreamingResponse(changes, media_type="text/event-stream")

    async def changes(
        self, request: Request, wanted: SagaFilter, chosen: uuid.UUID | None
    ) -> AsyncIterator[bytes]:
        """Yield a server-sent event with the newest sagas that fulfil `wanted`, again at every change.

        After 15 seconds without a change yield a comment, so that a broken connection is noticed. When the
        token has expired, yield an event `refused` with the error, and end.
        """
        last, quiet = b"", 0
        while not await request.is_disconnected():
            try:
                self.admin(request)
            except DomainError as error:
                yield b"event: refused\ndata: " + orjson.dumps(_body(error)) + b"\n\n"
                return
            encoded = _encode(await self.state(wanted, chosen))
            if encoded != last:
                last, quiet = encoded, 0
                yield b"event: sagas\ndata: " + encoded + b"\n\n"
            else:
                quiet += 1
                if quiet % 15 == 0:
                    yield b": still here\n\n"
            await self.clock.sleep(POLL_SECONDS)

    async def state(self, wanted: SagaFilter, chosen: uuid.UUID | None) -> Any:
        """Return the statistics, the newest sagas that fulfil `wanted`, and the details of `chosen`.

        The details are None if there is no such saga.
        """
        journal = self.engine.journal
        views = await journal.views(await newest(journal.pool, wanted, SHOWN_SAGAS))
        view = None if chosen is None else await journal.view(chosen)
        return {
            **await statistics(journal.pool),
            "sagas": [summary(one) for one in views],
            "chosen": None if view is None else await self.details(view),
        }


def error_response(error: DomainError) -> Response:
    """Return an error as a JSON response, with the HTTP status for its code (STATUS_OF_CODE, else 400)."""
    status = STATUS_OF_CODE.get(error.code, 400)
    return Response(orjson.dumps(_body(error)), status, media_type="application/json")


def _body(error: DomainError) -> dict[str, str]:
    return {"message": error.message, "code": error.code}


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
