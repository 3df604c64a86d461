"""The endpoint `/graphql`, independent of the door: reads the request, has it answered, builds the HTTP
reply.

Both doors, the direct protocol and ASGI, use it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from gateway.core.context import Identity, RequestContext
from gateway.core.envelope import BY_CODE, Envelope, error_envelope
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.documents.selectors import DocumentSelectors
from gateway.execution import EnvelopeCallback
from gateway.http.batch import BATCH_STARTS, Batch, batch_elements, is_batch
from gateway.http.cors import Cors
from gateway.http.csrf import CsrfCheck
from gateway.http.negotiate import ACCEPTS_JSON, negotiate
from gateway.http.read import (
    ACCEPTED,
    DocumentFinder,
    check_type,
    decoded_body,
    from_body,
    from_payload,
    from_query_string,
    too_large,
    unpacked,
)
from gateway.http.request_head import WEBSOCKET
from gateway.http.respond import HttpReply, http_reply
from gateway.http.statuses import StatusMode
from gateway.http.stream_replies import is_for_stream, stream_reply, streamed
from gateway.observe.facts import REQUEST, InternalFailure
from gateway.request.graphql_request import GraphQLRequest, PlanWish
from gateway.settings import SubscriptionSettings, UploadSettings
from gateway.transport.base import Handle
from gateway.uploads.form import UploadForm

PLAN_HEADER = "x-gateway-plan"
PLAN_HEADER_BYTES = PLAN_HEADER.encode()
NO_WEBSOCKET = (
    "expected a handshake of WebSocket at /graphql, if it is served; otherwise send operations by POST"
)
ReplyCallback = Callable[[HttpReply], None]


class RequestHandler(Protocol):
    """Answers GraphQL requests; implemented by `answering.Gateway`."""

    def context(self, headers: RequestHeaders) -> RequestContext:
        """Return the context of a new request."""
        ...

    def begin(self, request: GraphQLRequest, context: RequestContext, answered: EnvelopeCallback) -> Handle:
        """Start to answer a request; see `answering.Gateway.begin`."""
        ...

    def identify(self, context: RequestContext) -> Identity | Awaitable[Identity]:
        """Return the identity of a request; see `answering.Gateway.identify`."""
        ...

    def connect(self, context: RequestContext, every: bool = False) -> Identity | Awaitable[Identity]:
        """Return the identity of a caller that connects for later requests, and count it; see
        `Guards.connect`.
        """
        ...

    def end_streams(self) -> None:
        """End all subscriptions, as the process ends."""
        ...


class Endpoint:
    """Replies to HTTP requests for `/graphql`.

    `max_body`: the maximum size of a body in bytes, before and after decompression. `mode`: which HTTP
    statuses responses get, "audited" or "draft-2026" (see `statuses`). `csrf`: the check of requests by GET;
    `cors`: the rules for other origins' pages; None if there is none. `documents`: where requests have the
    ids of documents; None if they have none. `subscriptions`: the settings of streams.
    `batch`: how many operations one request may have, as a list. `uploads`: the limits on files; None if
    requests may have none. `forms`: how many requests with files are being received.
    """

    def __init__(
        self,
        handler: RequestHandler,
        max_body: int,
        mode: StatusMode = "audited",
        csrf: CsrfCheck | None = None,
        cors: Cors | None = None,
        documents: DocumentSelectors | None = None,
        subscriptions: SubscriptionSettings | None = None,
        batch: int = 1,
        uploads: UploadSettings | None = None,
    ) -> None:
        self.batch = batch
        self.uploads = uploads
        self.forms = 0
        self.subscriptions = subscriptions or SubscriptionSettings()
        self.handler = handler
        self.max_body = max_body
        self.mode = mode
        self.csrf = csrf
        self.cors = cors
        self.documents = documents
        self.is_ending = False

    def end_streams(self) -> None:
        """End all subscriptions, as the process ends; streams that begin later close their connections."""
        self.is_ending = True
        self.handler.end_streams()

    def begin(
        self,
        method: str,
        query_string: bytes,
        headers: RequestHeaders,
        body: bytes | RequestError,
        replied: ReplyCallback,
        path: str = "",
    ) -> Handle:
        """Start to reply to a request, valid or not; `replied` is called once, never before this returns.

        `body`: a RequestError if it could not be read. `path`: that of the URL, below the endpoint's.
        """
        if self.cors is not None and method == "OPTIONS":
            return asyncio.get_running_loop().call_soon(replied, self.cors.preflight(headers.raw))
        exchange = ClientExchange(self, method, headers, replied)
        try:
            if b"accept" in headers.raw:
                exchange.accepted = negotiate(headers.get("accept"))
            if b"content-encoding" in headers.raw and isinstance(body, bytes):
                body = unpacked(body, headers.get("content-encoding"), self.max_body)
            documents = self.documents
            finder = None if documents is None else DocumentFinder(documents, query_string, path)
            if method == "POST" and isinstance(body, bytes) and body[:1] in BATCH_STARTS and is_batch(body):
                found = decoded_body(body, headers.get("content-type", ""))
                return self._begin_batch(exchange, headers, found, finder)
            request = read_request(method, query_string, headers, body, self.csrf, finder)
            if exchange.accepted.stream is not None:
                request = streamed(request, headers, exchange.accepted)
            return self.handler.begin(request, exchange.context, exchange.answered)
        except Exception as error:  # an internal error must still get a reply
            return asyncio.get_running_loop().call_soon(exchange.answered, error)

    def _begin_batch(
        self, exchange: "ClientExchange", headers: RequestHeaders, found: Any, finder: DocumentFinder | None
    ) -> Handle:
        """Start to reply to a list of requests. Raises RequestError if it is not valid as a whole."""
        elements = batch_elements(found, self.batch)
        contexts = [exchange.context, *(self.handler.context(headers) for _ in elements[1:])]
        for context in contexts[1:]:
            context.uploads = exchange.context.uploads
        batch = Batch(contexts, exchange.answered, internal_error_envelope)
        batch.begin(elements, self.handler.begin, finder)
        return batch

    def form_seconds(self, length: int | None) -> float:
        """Return the seconds that a client may need, at the slowest, to send a form.

        `length`: its bytes; None if they are not known.
        """
        limits = self.uploads or UploadSettings()
        largest = limits.files * limits.size + self.max_body
        return (largest if length is None else min(length, largest)) / limits.slowest

    def begin_form(
        self,
        query_string: bytes,
        headers: RequestHeaders,
        form: UploadForm,
        replied: ReplyCallback,
        path: str = "",
    ) -> Handle:
        """Start to reply to a request with files, whose operation is known; see `begin`."""
        exchange = ClientExchange(self, "POST", headers, replied)
        try:
            if b"accept" in headers.raw:
                exchange.accepted = negotiate(headers.get("accept"))
            if self.csrf is not None:
                self.csrf.check_form(headers.raw)
            finder = None if self.documents is None else DocumentFinder(self.documents, query_string, path)
            exchange.context.uploads = form.uploads
            if isinstance(form.payload, list):
                return self._begin_batch(exchange, headers, form.payload, finder)
            request = from_payload(form.payload, plan_wish(headers), finder)
            if exchange.accepted.stream is not None:
                request = streamed(request, headers, exchange.accepted)
            return self.handler.begin(request, exchange.context, exchange.answered)
        except Exception as error:
            return asyncio.get_running_loop().call_soon(exchange.answered, error)

    async def reply(
        self,
        method: str,
        query_string: bytes,
        headers: RequestHeaders,
        body: bytes | UploadForm | RequestError,
        path: str = "",
    ) -> HttpReply:
        """Return the complete reply to a request; see `begin`. Cancelling the caller cancels the request."""
        future: asyncio.Future[HttpReply] = asyncio.get_running_loop().create_future()

        def replied(found: HttpReply) -> None:
            if not future.done():
                future.set_result(found)

        if isinstance(body, UploadForm):
            handle = self.begin_form(query_string, headers, body, replied, path)
        else:
            handle = self.begin(method, query_string, headers, body, replied, path)
        try:
            return await future
        finally:
            handle.cancel()

    def too_large(self) -> RequestError:
        """Return the error for a body above the limit."""
        return too_large(self.max_body)


class ClientExchange:
    """One HTTP request and its reply.

    `accepted`: the media types that the client accepts. `replied`: the callback for the reply. `since`: the
    start, for stage listeners. `streams`: the settings of streams.
    """

    __slots__ = ("accepted", "context", "method", "mode", "replied", "since", "streams")

    def __init__(
        self, endpoint: Endpoint, method: str, headers: RequestHeaders, replied: ReplyCallback
    ) -> None:
        self.method = method
        self.accepted = ACCEPTS_JSON
        self.streams = endpoint.subscriptions
        self.mode = endpoint.mode
        self.replied = replied
        self.context = endpoint.handler.context(headers)
        if endpoint.cors is not None:
            self.context.response_headers = endpoint.cors.response_headers(headers.raw)
        observer = self.context.observer
        self.since = observer.started(REQUEST, self.context) if observer.watches_stages else 0.0

    def answered(self, found: Envelope | BaseException) -> None:
        """Build the reply for an envelope or an exception, and pass it on.

        No caller awaits a callback, so an exception while building the reply must become a reply too.
        """
        try:
            reply = self.reply_for(found)
        except Exception as error:
            reply = self.reply_for(error)
        if reply.stream is not None:
            reply.parts = report_errors(reply.stream, self.context)
        if self.context.response_headers:
            reply.extra_headers += self.context.response_headers
        observer = self.context.observer
        if observer.watches_stages:
            status = None if reply.status < 400 else str(reply.status)
            observer.ended(REQUEST, self.context, self.since, error=status)
        self.replied(reply)

    def reply_for(self, found: Envelope | BaseException) -> HttpReply:
        """Return the reply for an envelope, a RequestError or an unexpected exception."""
        accepted = self.accepted
        if isinstance(found, Envelope):
            if accepted.stream is None and isinstance(found.response, bytes):  # the most frequent case
                return http_reply(found, accepted.media, None, self.mode)
            return stream_reply(found, accepted, self.streams, self.mode)
        if not isinstance(found, RequestError):
            return self.refusal(internal_error_envelope(found, self.context))
        allow = None
        if found.code == "METHOD_NOT_ALLOWED":
            allow = b"POST" if self.method == "GET" else b"GET, POST"
        envelope = error_envelope(found)
        if found.code == "UNSUPPORTED_CONTENT_ENCODING":
            envelope = envelope.with_headers((b"accept-encoding", ACCEPTED))
        return self.refusal(envelope, allow)

    def refusal(self, envelope: Envelope, allow: bytes | None = None) -> HttpReply:
        """Return the reply to a request that is not executed: with the HTTP status of its error.

        What GraphQL itself refuses is a stream for a client that accepts only streams.
        """
        accepted = self.accepted
        if accepted.only_stream and is_for_stream(envelope):
            return stream_reply(envelope, accepted, self.streams, self.mode)
        return http_reply(envelope, accepted.media, allow, self.mode)


async def report_errors(parts: AsyncIterator[bytes], context: RequestContext) -> AsyncGenerator[bytes, None]:
    """Yield the parts of a stream. An exception in it is reported and raised; the protocol then closes the
    connection.

    Closing this generator closes the stream.
    """
    try:
        async for part in parts:
            yield part
    except Exception as error:
        context.observer.emit(InternalFailure(context.id, error))
        raise
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()


def read_request(
    method: str,
    query_string: bytes,
    headers: RequestHeaders,
    body: bytes | RequestError,
    csrf: CsrfCheck | None = None,
    finder: DocumentFinder | None = None,
) -> GraphQLRequest:
    """Return the GraphQL request in an HTTP request.

    `csrf`: checks requests by GET. `finder`: see `read.from_body`. Raises RequestError.
    """
    raw = headers.raw
    wants_plan = plan_wish(headers) if PLAN_HEADER_BYTES in raw else False
    if method == "POST":
        if isinstance(body, RequestError):
            raise body
        return from_body(body, raw.get(b"content-type", b"").decode("latin-1"), wants_plan, finder)
    if method == "GET":
        if raw.get(b"upgrade", b"").lower() == WEBSOCKET and b"query=" not in query_string:
            raise RequestError(NO_WEBSOCKET, "SUBSCRIPTIONS_NOT_SERVED")
        if b"content-type" in raw:
            check_type(headers.get("content-type"))
        if csrf is not None:
            csrf.check(raw)
        return from_query_string(query_string, wants_plan, finder)
    raise RequestError(f"expected POST or GET, got {method}; use POST", "METHOD_NOT_ALLOWED")


def plan_wish(headers: RequestHeaders) -> PlanWish:
    """Return what the header `x-gateway-plan` demands: "", 0 and false nothing, `only` the plan alone."""
    given = headers.get(PLAN_HEADER, "").strip().lower()
    return "only" if given == "only" else given not in ("", "0", "false")


def internal_error_envelope(error: BaseException, context: RequestContext) -> Envelope:
    """Return the response for an unexpected exception. It contains an id; only the log has the details."""
    context.observer.emit(InternalFailure(context.id, error))
    message = f"internal error; the gateway's log has the details under the id {context.id}"
    extensions = {"code": "INTERNAL_SERVER_ERROR", "id": context.id}
    return Envelope({"errors": [{"message": message, "extensions": extensions}]}, BY_CODE)
