"""Converts an envelope to an HTTP reply: body, media type, status."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from functools import lru_cache

from gateway.core.envelope import Envelope, encoded_body
from gateway.http.statuses import StatusMode, status_of


@lru_cache(maxsize=8)
def content_type(media: str) -> bytes:
    """Return the value of the Content-Type header for a media type, which may have parameters already."""
    if ";" in media:
        return media.encode()
    return f"{media}; charset=utf-8".encode()


NOSNIFF = (b"x-content-type-options", b"nosniff")


class HttpReply:
    """An HTTP reply.

    - `media`: the media type. `allow`: the allowed methods, for the Allow header; None to omit it.
    - `extra_headers`: further headers.
    - `stream`: the source of the parts of a streamed reply; None for a reply with a body. `parts`: the
      generator over `stream` that a door sends and then closes; the endpoint sets it.
    """

    __slots__ = ("allow", "body", "extra_headers", "media", "parts", "status", "stream")

    def __init__(
        self,
        status: int,
        body: bytes,
        media: str,
        allow: bytes | None = None,
        extra_headers: tuple[tuple[bytes, bytes], ...] = (),
        stream: AsyncIterator[bytes] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.media = media
        self.allow = allow
        self.extra_headers = extra_headers
        self.stream = stream
        self.parts: AsyncGenerator[bytes, None] | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers; Content-Length only if the reply is not streamed.

        A reply with the status 204 has no body, so it has no headers that describe one (RFC 9110, 8.6).
        """
        if self.status == 204:
            return list(self.extra_headers)
        found = [(b"content-type", content_type(self.media)), (b"vary", b"accept"), NOSNIFF]
        if self.stream is None:
            found.append((b"content-length", b"%d" % len(self.body)))
        if self.allow is not None:
            found.append((b"allow", self.allow))
        found.extend(self.extra_headers)
        return found


def http_reply(
    envelope: Envelope, media: str, allow: bytes | None = None, mode: StatusMode = "audited"
) -> HttpReply:
    """Return the HTTP reply for an envelope, to a client that accepts the media type `media`.

    `allow`: the allowed methods, for the Allow header; None to omit it. `mode`: which statuses to use, those
    that npm's `graphql-http` audits or those of the draft (see `statuses`).
    """
    response = envelope.response
    media = envelope.media or media
    if isinstance(response, bytes) and mode == "audited":  # the most frequent case
        return HttpReply(envelope.refused or 200, response, media, allow, envelope.headers)
    status = status_of(envelope, media, mode)
    if isinstance(response, bytes):
        return HttpReply(status, response, media, allow, envelope.headers)
    if isinstance(response, Mapping):
        return HttpReply(status, encoded_body(envelope), media, allow, envelope.headers)
    if not isinstance(response, AsyncIterator):
        raise ValueError("a stream of parts needs a format (`stream_replies`)")
    return HttpReply(status, b"", media, allow, envelope.headers, response)
