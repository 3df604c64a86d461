"""The door for graphql-sse's single connection mode: one stream for all operations of a client.

Example: a client sends `PUT /graphql`, and receives a token. With it (the header X-GraphQL-Event-Stream-
Token, or `?token=`) it opens the stream (GET, `Accept: text/event-stream`), and posts each operation, with an
id in `extensions.operationId`. The reply to an operation is 202; its results come by the stream. `DELETE
/graphql?operationId=1` ends an operation.

A token begins with the name of the worker that has the connection; other workers pass requests on to it.

See https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md.
"""

import asyncio
import re
from secrets import token_urlsafe

from gateway.core.clock import Clock
from gateway.core.context import Identity
from gateway.core.envelope import Envelope, error_envelope
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.documents.selectors import read_parameters
from gateway.http.endpoint import Endpoint, RequestHandler, internal_error_envelope, report_errors
from gateway.http.negotiate import GRAPHQL, JSON, SSE, negotiate
from gateway.http.read import DocumentFinder, decoded_body, from_payload, unpacked
from gateway.http.respond import HttpReply, http_reply
from gateway.http.single_connection import SingleConnection, SingleOperation
from gateway.http.statuses import status_of
from gateway.http.stream_replies import NO_BUFFER, NO_CACHE
from gateway.http.streams import SseFormat
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import SubscriptionSettings
from gateway.subscribe.exchanges import RemoteReply, RemoteRequest, WorkerGone
from gateway.subscribe.workers import Workers

TOKEN = b"x-graphql-event-stream-token"
LONGEST_ID = 256  # characters of an operation's id
METHODS = b"GET, POST, PUT, DELETE"
_OURS = re.compile(r"[\w.-]{0,64}~[\w-]{43}")
_UNKNOWN = "no event stream has this token; reserve one by PUT"


class SingleDoor:
    """The single connections of one process; it continues when the supergraph is reloaded.

    - `connections`: by token. `endpoint`: what answers requests; None before the start. `is_on`: whether the
      mode is served.
    - `workers`: the processes of this host, of which one has each connection; None if there is only this one.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.endpoint: Endpoint | None = None
        self.is_on = False
        self.connections: dict[str, SingleConnection] = {}
        self.workers: Workers | None = None

    def serve(self, endpoint: Endpoint) -> None:
        """Serve a gateway from now on; connections that are open remain."""
        self.endpoint = endpoint
        settings = endpoint.subscriptions
        self.is_on = settings.enabled and settings.single_connection.enabled

    def work_with(self, workers: Workers) -> None:
        """Pass requests on to other workers, and answer those that they pass on."""
        self.workers, workers.exchanges.answer = workers, self._answer_worker

    # for connections

    @property
    def served(self) -> Endpoint:
        """Return the endpoint."""
        if self.endpoint is None:
            raise RuntimeError("the door serves no gateway yet")
        return self.endpoint

    @property
    def handler(self) -> RequestHandler:
        """Return what answers requests."""
        return self.served.handler

    @property
    def finder(self) -> DocumentFinder | None:
        """Return what finds the ids of documents in requests; None if they have none."""
        documents = self.served.documents
        return None if documents is None else DocumentFinder(documents, b"", "")

    @property
    def settings(self) -> SubscriptionSettings:
        """Return the settings of subscriptions."""
        return self.served.subscriptions

    @property
    def operations(self) -> int:
        """Return how many operations of one connection may run at the same time."""
        return self.settings.websocket.operations

    def forget(self, connection: SingleConnection) -> None:
        """Forget a connection that has ended."""
        self.connections.pop(connection.token, None)

    def close(self) -> None:
        """End all connections, as the process ends."""
        for connection in list(self.connections.values()):
            if connection.is_open:
                connection.shutdown()
            else:
                connection.end()

    # requests

    @staticmethod
    def serves(method: str, query_string: bytes, headers: RequestHeaders) -> bool:
        """Return whether a request is for this door: a reservation, which has no body, or one with a
        token.
        """
        raw = headers.raw
        if TOKEN in raw:
            return True
        if method == "PUT":
            return raw.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in raw
        return b"token=" in query_string and _token_in(query_string) is not None

    async def reply(
        self,
        method: str,
        query_string: bytes,
        headers: RequestHeaders,
        body: bytes | RequestError,
        path: str = "",
    ) -> HttpReply:
        """Return the reply to a request, from this worker or from the one that has the connection."""
        if isinstance(body, RequestError):
            return self._with_headers(self._refusal(body), headers)
        token = headers.get(TOKEN.decode()) or _token_in(query_string) or ""
        request = RemoteRequest(method, query_string, headers, body, token)
        worker = token.partition("~")[0]
        workers = self.workers
        if method == "PUT" or workers is None or worker == workers.name or not _OURS.fullmatch(token):
            return await self.answer(request)
        try:
            found = await workers.ask(worker, request)
        except WorkerGone:
            return self._with_headers(self._refusal(RequestError(_UNKNOWN, "NOT_FOUND")), headers)
        reply = HttpReply(found.status, found.body, found.media, found.allow, found.headers, found.parts)
        reply.parts = found.parts
        return reply

    async def _answer_worker(self, request: RemoteRequest) -> RemoteReply:
        """Return the reply to a request that another worker passes on."""
        reply = await self.answer(request)
        return RemoteReply(
            reply.status, reply.body, reply.media, reply.allow, reply.extra_headers, reply.parts
        )

    def _refusal(self, error: RequestError) -> HttpReply:
        allow = METHODS if error.code == "METHOD_NOT_ALLOWED" else None
        return http_reply(error_envelope(error), JSON, allow, self.served.mode)

    async def answer(self, request: RemoteRequest) -> HttpReply:
        """Return the reply to a request whose connection this worker has."""
        headers, endpoint = request.headers, self.served
        context = endpoint.handler.context(headers)
        try:
            reply = await self._answered(request)
        except RequestError as error:
            reply = self._refusal(error)
        except Exception as error:
            reply = http_reply(internal_error_envelope(error, context), JSON, None, endpoint.mode)
        if reply.stream is not None:
            reply.parts = report_errors(reply.stream, context)
        return self._with_headers(reply, headers)

    def _with_headers(self, reply: HttpReply, headers: RequestHeaders) -> HttpReply:
        cors = self.served.cors
        if cors is not None:
            reply.extra_headers += cors.response_headers(headers.raw)
        return reply

    async def _answered(self, request: RemoteRequest) -> HttpReply:
        """Return the reply. Raises RequestError."""
        method, headers = request.method, request.headers
        if method == "PUT":
            return await self._reserve(headers)
        connection = self.connections.get(request.token)
        if connection is None or connection.is_over:
            raise RequestError(_UNKNOWN, "NOT_FOUND")
        if method == "DELETE":
            return self._end_operation(connection, request.query_string)
        accepted = negotiate(headers.get("accept", ""))
        if method not in ("GET", "POST"):
            raise RequestError(f"expected GET, POST, PUT or DELETE, got {method}", "METHOD_NOT_ALLOWED")
        if accepted.stream == SSE and accepted.only_stream:
            return self._open(connection, request)
        if method == "GET":
            raise RequestError(f"expected Accept to be {SSE}, for the event stream", "NOT_ACCEPTABLE")
        return await self._operation(connection, request)

    async def _reserve(self, headers: RequestHeaders) -> HttpReply:
        """Reserve a stream for a caller that is known; the reply has its token."""
        endpoint, settings = self.served, self.settings.single_connection
        context = endpoint.handler.context(headers)
        found = endpoint.handler.connect(context, every=True)
        if not isinstance(found, Identity):
            await found
        if endpoint.is_ending:
            raise RequestError("the gateway is shutting down; connect again", "SUBSCRIPTION_SERVER_CLOSED")
        if len(self.connections) >= settings.connections:
            message = f"expected at most {settings.connections:,} single connections; try again later"
            raise RequestError(message, "SUBSCRIPTION_LIMIT")
        worker = "" if self.workers is None else self.workers.name
        token = f"{worker}~{token_urlsafe(32)}"
        self.connections[token] = SingleConnection(self, token)
        return HttpReply(201, token.encode(), "text/plain", None, (NO_CACHE, *context.response_headers))

    def _open(self, connection: SingleConnection, request: RemoteRequest) -> HttpReply:
        """Open the stream. The token proves that the client may; a page of another site has none.

        A page can't send the header with the token to another site unless CORS allows it.
        """
        csrf = self.served.csrf
        if csrf is not None and TOKEN not in request.headers.raw:
            csrf.check(request.headers.raw)
        connection.open()
        content_type = SseFormat.content_type.decode()
        return HttpReply(200, b"", content_type, None, (NO_CACHE, NO_BUFFER), connection.events())

    @staticmethod
    def _end_operation(connection: SingleConnection, query_string: bytes) -> HttpReply:
        """End an operation, if it runs."""
        names = read_parameters(query_string).get("operationId")
        if not names:
            raise RequestError("the parameter operationId is missing", "BAD_REQUEST")
        connection.stop(names[-1])
        return HttpReply(200, b"", "text/plain")

    async def _operation(self, connection: SingleConnection, request: RemoteRequest) -> HttpReply:
        """Start an operation; return when it is accepted or refused. A client that leaves before ends it."""
        name, graphql = self._read(request)
        if connection.has(name):
            raise RequestError(f"an operation with the id {name!r} runs already", "STREAM_CONFLICT")
        context = self.handler.context(request.headers)
        accepted: asyncio.Future[Envelope | None] = asyncio.get_running_loop().create_future()

        def decided(refusal: Envelope | None) -> None:
            if not accepted.done():
                accepted.set_result(refusal)

        operation = SingleOperation(connection, name, context, decided)
        connection.begin(name, operation, graphql)
        try:
            refusal = await accepted
        except asyncio.CancelledError:
            connection.stop(name)
            raise
        reply = HttpReply(202, b"", JSON)
        if refusal is not None:
            reply = http_reply(refusal, JSON, None, self.served.mode)
            if reply.status == 200:  # 202 means success here, so a refusal must have an error's status
                reply.status = status_of(refusal, GRAPHQL, self.served.mode)
        reply.extra_headers += context.response_headers
        return reply

    def _read(self, request: RemoteRequest) -> tuple[str, GraphQLRequest]:
        """Return the id of an operation, and its request. Raises RequestError."""
        body, headers = request.body, request.headers
        if b"content-encoding" in headers.raw:
            body = unpacked(body, headers.get("content-encoding"), self.served.max_body)
        payload = decoded_body(body, headers.get("content-type", ""))
        extensions = payload.get("extensions") if isinstance(payload, dict) else None
        name = extensions.get("operationId") if isinstance(extensions, dict) else None
        if not (isinstance(name, str) and 0 < len(name) <= LONGEST_ID):
            message = f"expected extensions.operationId to be a string of 1 to {LONGEST_ID} characters"
            raise RequestError(message, "BAD_REQUEST")
        return name, from_payload(payload, False, self.finder)


def _token_in(query_string: bytes) -> str | None:
    """Return the token in a query string; None if it has none that this gateway could have made."""
    if b"token=" not in query_string:
        return None
    values = read_parameters(query_string).get("token")
    return values[-1] if values and _OURS.fullmatch(values[-1]) else None
