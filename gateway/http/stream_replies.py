"""Decides whether a response is sent as a stream, and builds the HTTP reply for it."""

from collections.abc import AsyncIterator, Mapping

from gateway.core.envelope import BY_CODE, Envelope, encoded_body, error_envelope
from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.core.streams import end_with
from gateway.http.negotiate import JSON, MULTIPART, SSE, Accepted
from gateway.http.respond import HttpReply, http_reply
from gateway.http.statuses import StatusMode, status_of
from gateway.http.streams import FORMATS, INCREMENTAL, only_end, single_result, written_stream
from gateway.incremental.stream import IncrementalStream
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import SubscriptionSettings

NOT_ACCEPTED = (
    f"the operation is a subscription, and Accept allows no stream; accept {SSE}, or"
    f" {MULTIPART};subscriptionSpec=1.0, or connect by WebSocket"
)
LAST_EVENT_ID = "last-event-id"
NO_CACHE = (b"cache-control", b"no-cache")
NO_BUFFER = (b"x-accel-buffering", b"no")  # nginx would hold parts back


def streamed(request: GraphQLRequest, headers: RequestHeaders, accepted: Accepted) -> GraphQLRequest:
    """Return a request whose client accepts a stream: it may be a subscription by GET, and go on after the
    cursor in `Last-Event-ID`, as browsers send it when they connect again; and parts may be sent later.
    """
    after = headers.get(LAST_EVENT_ID) or request.after
    return request._replace(streams=True, after=after, incremental=accepted.incremental)


def is_for_stream(envelope: Envelope) -> bool:
    """Return whether a refusal is an event of a stream, for a client that accepts only streams.

    It is if GraphQL refuses the operation of a request that is accepted: clients that read only JSON get the
    status 200 for it. And it is if the process ends, so that the stream may end for a moment. Other refusals
    (by CSRF checks, a mutation by GET, a token that is not valid) have the same status for all clients.
    """
    if envelope.refused != BY_CODE or not isinstance(envelope.response, Mapping):
        return False
    if end_with(envelope.response["errors"]).is_temporary:
        return True
    return status_of(envelope, JSON, "audited") == 200


def stream_reply(
    envelope: Envelope, accepted: Accepted, settings: SubscriptionSettings, mode: StatusMode
) -> HttpReply:
    """Return the reply for an envelope whose client accepts a stream, or whose response is one.

    A response with a body is a stream only for a client that accepts nothing else.
    """
    response, media = envelope.response, accepted.stream
    form = None if media is None else FORMATS[media]
    if isinstance(response, IncrementalStream) and media == MULTIPART:
        form = INCREMENTAL[response.form]
    if isinstance(response, bytes | Mapping):
        if form is None or not accepted.only_stream:
            return http_reply(envelope, accepted.media, None, mode)
        if envelope.refused is not None and isinstance(response, Mapping):
            end = end_with(response["errors"])
            if end.is_temporary:
                return _reply(only_end(end, form), form.content_type, envelope)
        return _reply(single_result(encoded_body(envelope), form), form.content_type, envelope)
    if isinstance(response, AsyncIterator):  # of a plugin
        return http_reply(envelope, accepted.media, None, mode)
    if form is None:
        error = RequestError(NOT_ACCEPTED, "STREAM_NOT_ACCEPTED")
        return http_reply(error_envelope(error), accepted.media, None, mode)
    may_drop = not isinstance(response, IncrementalStream)
    return _reply(written_stream(response, form, settings, may_drop), form.content_type, envelope)


def _reply(parts: AsyncIterator[bytes], content_type: bytes, envelope: Envelope) -> HttpReply:
    headers = (*envelope.headers, NO_CACHE, NO_BUFFER)
    return HttpReply(200, b"", content_type.decode(), None, headers, parts)
