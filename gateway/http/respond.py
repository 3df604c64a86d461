"""Writing an envelope as an HTTP reply: body, media type, status."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from functools import lru_cache

from gateway.core.envelope import Envelope, encode_json
from gateway.http.statuses import StatusMode, status_of


def encode(envelope: Envelope) -> bytes:
    """The body. A value that JSON can't hold (nested hundreds of levels deep, say) leaves an error in place
    of the answer.

    Raises ValueError for a stream, which has no body.
    """
    response = envelope.response
    if isinstance(response, bytes):
        return response
    if not isinstance(response, Mapping):
        raise ValueError("a stream has parts, not a body")
    try:
        return encode_json(response)
    except TypeError as error:
        message = f"a subgraph gave a value that can't be written as JSON: {error}"
        extensions = {"code": "SUBGRAPH_WRONG_VALUE"}
        return encode_json({"errors": [{"message": message, "extensions": extensions}], "data": None})


@lru_cache(maxsize=8)
def content_type(media: str) -> bytes:
    """The Content-Type header."""
    return f"{media}; charset=utf-8".encode()


NOSNIFF = (b"x-content-type-options", b"nosniff")


class HttpReply:
    """A whole HTTP reply: status, body, and what its headers say.

    `stream`: what makes the parts that stand in place of the body; `parts`: the same as doors write them, to
    be closed by whoever iterates over it. `allow`: the methods allowed where another was used. `more`:
    further headers.
    """

    __slots__ = ("allow", "body", "media", "more", "parts", "status", "stream")

    def __init__(
        self,
        status: int,
        body: bytes,
        media: str,
        allow: bytes | None = None,
        more: tuple[tuple[bytes, bytes], ...] = (),
        stream: AsyncIterator[bytes] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.media = media
        self.allow = allow
        self.more = more
        self.stream = stream
        self.parts: AsyncGenerator[bytes, None] | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers, but for how long the body is if it comes in parts."""
        found = [(b"content-type", content_type(self.media)), (b"vary", b"accept"), NOSNIFF]
        if self.stream is None:
            found.append((b"content-length", b"%d" % len(self.body)))
        if self.allow is not None:
            found.append((b"allow", self.allow))
        found.extend(self.more)
        return found


def reply_of(
    envelope: Envelope, media: str, allow: bytes | None = None, mode: StatusMode = "audited"
) -> HttpReply:
    """The HTTP reply for an envelope, to a client that accepts this media type."""
    response = envelope.response
    media = envelope.media or media
    if isinstance(response, bytes) and mode == "audited":  # first, as most answers are
        return HttpReply(envelope.refused or 200, response, media, allow, envelope.headers)
    status = status_of(envelope, media, mode)
    if isinstance(response, bytes):
        return HttpReply(status, response, media, allow, envelope.headers)
    if isinstance(response, Mapping):
        return HttpReply(status, encode(envelope), media, allow, envelope.headers)
    return HttpReply(status, b"", media, allow, envelope.headers, response)
