"""The replies to a subscription over HTTP: an event stream, a stream of parts, or one response.

`body_of` chooses by the head of the reply, since a subgraph answers a subscription that it refuses with plain
JSON.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.core.errors import SubgraphError
from gateway.transport.base import RawHeaders, Redirect, Reply, read_payload
from gateway.wire.multipart import MultipartReader, boundary_of
from gateway.wire.payloads import check_response, read_errors, read_part
from gateway.wire.sse import SseReader
from gateway.wire.stream_error import StreamError, each

BARE = frozenset({b"complete"})
UNCOMPRESSED = frozenset({"", "identity", "none"})  # the last one is what npm's graphql-sse sends


class StreamEvent(NamedTuple):
    """An event: the body of a GraphQL response. `cursor`: the position after it; None if there is none."""

    body: bytes
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class StreamOver:
    """The end of the stream. `error`: why it has failed; None if the subgraph has completed it."""

    error: SubgraphError | None = None


Happening = StreamEvent | StreamOver


class Body(Protocol):
    """Reads the body of a reply. `is_stream`: whether the subgraph has opened a stream by it."""

    is_stream: bool

    def feed(self, data: bytes) -> Iterator[Happening]:
        """Yield what the next bytes say. Raises StreamError if they break the protocol."""
        ...

    def finish(self) -> Iterator[Happening]:
        """Yield what the end of the reply says."""
        ...


class SseBody:
    """An event stream of the graphql-sse protocol, in the mode of distinct connections.

    The ids of events are cursors.
    """

    is_stream = True

    def __init__(self, subgraph: str, max_message: int) -> None:
        self.subgraph = subgraph
        self.reader = SseReader(max_message, bare=BARE)

    def feed(self, data: bytes) -> Iterator[Happening]:
        for name, body, id in each(self.reader.feed, data):
            if name == b"next":
                check_response(body)
                yield StreamEvent(body, None if id is None else id.decode(errors="replace"))
            elif name == b"complete":
                yield StreamOver()

    def finish(self) -> Iterator[Happening]:
        message = "closed the event stream without the event `complete`"
        yield StreamOver(SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph=self.subgraph))


class MultipartBody:
    """Apollo's protocol over multipart/mixed: `{"payload": ...}` for an event, `{}` as a heartbeat."""

    is_stream = True

    def __init__(self, subgraph: str, boundary: bytes, max_message: int) -> None:
        self.subgraph = subgraph
        self.reader = MultipartReader(boundary, max_message)

    def feed(self, data: bytes) -> Iterator[Happening]:
        for part in each(self.reader.feed, data):
            yield from self._read(part)
        if self.reader.ended:
            yield StreamOver()

    def _read(self, part: bytes) -> Iterator[Happening]:
        found = read_part(part)
        payload, errors = bytes(found.payload), bytes(found.errors)
        if payload.startswith(b"{"):
            yield StreamEvent(payload)
        elif payload not in (b"", b"null"):
            raise StreamError(f"expected an object as the payload, got {payload[:20].decode()}")
        if errors.strip(b"[] \t\r\n") not in (b"", b"null"):
            yield StreamOver(self._failure(errors))

    def _failure(self, errors: bytes) -> SubgraphError:
        """Return the error for a stream that the subgraph has ended with errors, which the extensions
        have.
        """
        found = read_errors(errors)
        texts = "; ".join(str(one["message"]) for one in found)
        return SubgraphError(
            f"has ended the subscription with errors: {texts[:300]}",
            "SUBGRAPH_ERROR",
            subgraph=self.subgraph,
            extensions={"errors": found},
        )

    def finish(self) -> Iterator[Happening]:
        message = "closed the stream of parts without the closing delimiter"
        yield StreamOver(SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph=self.subgraph))


class WholeBody:
    """A reply that is no stream: a GraphQL response, or an HTTP error.

    `url`: that of the request, for the message about a redirect.
    """

    is_stream = False

    def __init__(self, subgraph: str, url: str, status: int, headers: RawHeaders, max_message: int) -> None:
        self.subgraph, self.url = subgraph, url
        self.status, self.headers = status, headers
        self.max_message = max_message
        self.data = bytearray()

    def feed(self, data: bytes) -> Iterator[Happening]:
        if len(self.data) + len(data) > self.max_message:
            raise StreamError(f"expected a body of at most {self.max_message} bytes, got more")
        self.data += data
        yield from ()

    def finish(self) -> Iterator[Happening]:
        """A response with GraphQL errors is the only event, so that clients receive the errors; but not with
        a status from 500 on, where the subgraph may be better later.
        """
        reply = Reply(self.status, bytes(self.data), self.headers)
        try:
            if self.status >= 500:
                raise self._error(f"replied with HTTP status {self.status}", "SUBGRAPH_HTTP_ERROR")
            payload = read_payload(self.subgraph, Redirect(reply, self.url) if self.status >= 300 else reply)
            if not isinstance(payload, Mapping) or not ("data" in payload or "errors" in payload):
                raise self._error("expected a stream or a GraphQL response, got other JSON")
        except SubgraphError as error:
            error.extensions.setdefault("status", self.status)
            yield StreamOver(error)
        else:
            yield StreamEvent(reply.body)
            yield StreamOver()

    def _error(self, message: str, code: str = "SUBGRAPH_BAD_RESPONSE") -> SubgraphError:
        return SubgraphError(message, code, subgraph=self.subgraph)


def body_of(subgraph: str, url: str, status: int, headers: RawHeaders, max_message: int) -> Body:
    """Return the reader for the body of a reply, by its head.

    Raises StreamError if the subgraph does not say how it can be read.
    """
    named = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
    content_type = named.get(b"content-type", "")
    media = content_type.partition(";")[0].strip().lower()
    encoding = named.get(b"content-encoding", "identity").lower()
    if status >= 300:
        return WholeBody(subgraph, url, status, headers, max_message)
    if encoding not in UNCOMPRESSED:
        raise StreamError(f"expected a reply that is not compressed, got the encoding {encoding[:40]!r}")
    if media == "text/event-stream":
        return SseBody(subgraph, max_message)
    if media != "multipart/mixed":
        return WholeBody(subgraph, url, status, headers, max_message)
    boundary = boundary_of(content_type)
    if boundary is None:
        raise StreamError("expected a boundary of 1 to 70 characters in the Content-Type, got none")
    return MultipartBody(subgraph, boundary, max_message)
