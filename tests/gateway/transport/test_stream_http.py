"""Streams over HTTP: what is sent, every kind of reply, and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.core.clock import FakeClock
from gateway.security.signatures import RequestSigner, SignableRequest, Verifier
from gateway.settings import SigningSettings, StreamProtocol, SubgraphSubscriptions
from gateway.settings.units import Secret
from gateway.transport.base import call_for
from gateway.transport.dial import Dialer
from gateway.transport.headers import Headers
from gateway.transport.stream_http import HttpStreams, request_of
from gateway.transport.stream_target import StreamTarget
from gateway.wire.multipart import end, part, start
from gateway.wire.sse import comment, event
from tests.gateway.support import until
from tests.gateway.transport.streaming import Recorder, streams_to
from tests.gateway.transport.test_http_faults import Handler, answering, reply

CALL = ("a", "subscription{x}")
OK = b'{"data":{"x":1}}'
ERRORS = b'{"errors":[{"message":"no"}]}'
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
MULTIPART = b'HTTP/1.1 200 OK\r\ncontent-type: multipart/mixed;boundary="graphql"\r\n\r\n'


@asynccontextmanager
async def subgraph(handler: Handler) -> AsyncIterator[str]:
    """Yield the URL of a server whose connections `handler` serves."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/graphql"
    finally:
        server.close()


async def result_of(raw: bytes, protocol: StreamProtocol = "sse", **settings: Any) -> Recorder:
    """Return what happens in a stream whose reply is some bytes, after which the server closes."""
    recorder = Recorder()
    async with subgraph(answering(raw)) as url:
        streams_to(url, protocol, attempts=0, **settings).open(call_for(*CALL), recorder)
        await until(lambda: recorder.is_over)
    return recorder


def chunked(*chunks: bytes) -> bytes:
    """Return a body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in (*chunks, b""))


def plain(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    """Return a reply with JSON."""
    return reply(body, status, b"content-type: application/json\r\n" + more)


@pytest.mark.parametrize(
    "raw",
    [
        SSE + comment() + event(b"next", OK) + event(b"next", OK) + event(b"complete", b""),
        SSE + event(b"next", OK) * 2 + b"event: complete\n\n",
        SSE.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n")
        + chunked(event(b"next", OK)[:9], event(b"next", OK)[9:] + event(b"next", OK))[:-5]
        + chunked(event(b"complete", b"")),
        SSE.replace(b"stream\r", b"stream; charset=utf-8\r\ncontent-encoding: none\r")
        + event(b"ignored", b"[]") + event(b"next", OK) * 2 + event(b"complete", b"") + event(b"next", OK),
        MULTIPART + start() + part(b"{}") + part(b'{"payload":%b}' % OK) * 2 + part(b"{}") + end(),
        MULTIPART + start() + part(b'{ "payload": %b, "errors": [ ] }' % OK) * 2 + end() + b"epilogue",
        MULTIPART + start() + part(b'{"payload":%b}' % OK) * 2 + part(b'{"payload":null}') + end(),
        b"HTTP/1.1 102 Processing\r\n\r\n" + SSE + event(b"next", OK) * 2 + event(b"complete", b""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("protocol", ["sse", "multipart"])
async def test_streams(raw: bytes, protocol: StreamProtocol) -> None:
    """Chunked or until the end of the connection; how it is read depends on the reply alone."""
    recorder = await result_of(raw, protocol)
    assert recorder.kinds == ["opened", "event", "event", "completed"]
    assert recorder.events == [{"data": {"x": 1}}] * 2


@pytest.mark.parametrize(
    "raw", [plain(OK), plain(ERRORS), plain(ERRORS, b"400 Bad Request"), plain(ERRORS, b"401 Unauthorized")]
)
async def test_a_single_response(raw: bytes) -> None:
    """It is the only event, so that clients receive the errors."""
    recorder = await result_of(raw)
    assert recorder.kinds == ["opened", "event", "completed"]
    assert set(recorder.events[0]) < {"data", "errors"}


@pytest.mark.parametrize(
    ("raw", "code", "words"),
    [
        (b"", "SUBGRAPH_UNREACHABLE", "can't be reached"),
        (b"HTTP/1.1 200", "SUBGRAPH_UNREACHABLE", "can't be reached"),
        (b"not http\r\n\r\n", "SUBGRAPH_BAD_RESPONSE", "invalid HTTP reply"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "SUBGRAPH_BAD_RESPONSE", ""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "SUBGRAPH_BAD_RESPONSE", "invalid"),
        (plain(b"<html>", b"502 Bad Gateway"), "SUBGRAPH_HTTP_ERROR", "HTTP status 502"),
        (plain(ERRORS, b"503 Unavailable"), "SUBGRAPH_HTTP_ERROR", "HTTP status 503"),
        (plain(b'{"detail":"x"}', b"404 Not Found"), "SUBGRAPH_HTTP_ERROR", "HTTP status 404"),
        (
            plain(b"", b"308 Moved", b"location: /other\r\n"),
            "SUBGRAPH_HTTP_ERROR",
            "a redirect to http://127",
        ),
        (plain(b"<html>"), "SUBGRAPH_BAD_RESPONSE", "not JSON"),
        (plain(b""), "SUBGRAPH_BAD_RESPONSE", "it is empty"),
        (plain(b"[]"), "SUBGRAPH_BAD_RESPONSE", "other JSON"),
        (plain(b'{"x":1}'), "SUBGRAPH_BAD_RESPONSE", "other JSON"),
        (plain(b'"%b"' % (b"x" * 2_000)), "SUBGRAPH_BAD_RESPONSE", "at most 1000 bytes"),
        (plain(OK, more=b"content-encoding: gzip\r\n"), "SUBGRAPH_BAD_RESPONSE", "not compressed, got"),
        (SSE[:-2] + b"content-encoding: br\r\n\r\n", "SUBGRAPH_BAD_RESPONSE", "'br'"),
        (MULTIPART.replace(b"boundary", b"b"), "SUBGRAPH_BAD_RESPONSE", "expected a boundary"),
        (reply(OK, more=b"x: y\r\n")[:-3], "SUBGRAPH_UNREACHABLE", "can't be reached"),
    ],
)
async def test_no_stream(raw: bytes, code: str, words: str) -> None:
    """Whatever a server sends instead of a stream becomes an error of the subgraph, with its code."""
    recorder = await result_of(raw, max_message=1_000)
    assert recorder.kinds == ["failed"]
    assert (recorder.error.code, recorder.error.subgraph) == (code, "a")
    assert words in recorder.error.message


NO_END = "SUBGRAPH_UNREACHABLE"
BAD = "SUBGRAPH_BAD_RESPONSE"


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (b"", NO_END, "without the event `complete`"),
        (event(b"complete", b"")[:-1], NO_END, "without the event `complete`"),
        (b"data: " + b"x" * 2_000, BAD, "expected lines of at most"),
        (b"data: 12345678\n" * 200, BAD, "events of at most 1000 bytes"),
        (event(b"next", b""), BAD, "expected a GraphQL response, got a text that"),
        (event(b"next", b"{"), BAD, "it is cut off"),
        (event(b"next", b"[]"), BAD, "got `array`"),
        (event(b"next", b'{"a":"\xff"}'), BAD, "not UTF-8"),
        (event(b"next", b'{"a":' + b"[" * 900), BAD, "not JSON"),
    ],
)
async def test_an_event_stream_that_breaks(more: bytes, code: str, words: str) -> None:
    """It ends with an error; the event before it was passed on."""
    recorder = await result_of(SSE + event(b"next", OK) + more, max_message=1_000)
    assert recorder.kinds == ["opened", "event", "failed"]
    assert recorder.error.code == code
    assert words in recorder.error.message


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (b"", NO_END, "without the closing delimiter"),
        (part(b"{}") + b"-", NO_END, "without the closing delimiter"),
        (part(b"[]"), BAD, "expected an object with a payload"),
        (part(b""), BAD, "it is empty"),
        (part(b'{"payload":7}'), BAD, "object as the payload, got 7"),
        (part(b'{"payload":"\xff"}'), BAD, "not UTF-8"),
        (part(b'{"errors":7}'), BAD, "expected GraphQL errors"),
        (part(b'{"errors":[{}]}'), BAD, "expected GraphQL errors"),
        (part(b'{"errors":[{"message":"x","y":"\\ud800"}]}'), BAD, "half of a surrogate pair"),
        (part(b"x" * 2_000), BAD, "1000 bytes of a part"),
        (b"\r\n\r\n" + b"x" * 2_000, BAD, "1000 bytes of a part"),
        (b"\r\n" + b"x" * 20_000, BAD, "bytes of a part's headers"),
    ],
)
async def test_a_stream_of_parts_that_breaks(more: bytes, code: str, words: str) -> None:
    """It ends with an error; the event before it was passed on."""
    raw = MULTIPART + start() + part(b'{"payload":%b}' % OK) + more
    recorder = await result_of(raw, "multipart", max_message=1_000)
    assert recorder.kinds == ["opened", "event", "failed"]
    assert recorder.error.code == code
    assert words in recorder.error.message


async def test_errors_that_end_a_stream_of_parts() -> None:
    """The error of the stream has all of them."""
    errors = b'[{"message":"no","extensions":{"code":"X"}},{"message":"really"}]'
    raw = MULTIPART + start() + part(b'{"payload":null,"errors":%b}' % errors) + end()
    recorder = await result_of(raw, "multipart")
    assert recorder.kinds == ["opened", "failed"]
    assert recorder.error.code == "SUBGRAPH_ERROR"
    assert recorder.error.message.endswith(": no; really")
    assert [one["message"] for one in recorder.error.extensions["errors"]] == ["no", "really"]


async def test_an_endless_head() -> None:
    """It is cut off."""
    recorder = await result_of(b"HTTP/1.1 200 OK\r\nx: %b\r\n\r\n" % (b"x" * 300_000))
    assert recorder.kinds == ["failed"]
    assert recorder.error.code == BAD
    assert "headers of at most" in recorder.error.message


async def test_a_connection_that_breaks() -> None:
    """In the middle of a reply with a length."""
    recorder = await result_of(SSE[:-2] + b"content-length: 100\r\n\r\n" + event(b"next", OK))
    assert recorder.kinds == ["opened", "event", "failed"]
    assert recorder.error.message == "closed the connection in the middle of the stream"


async def test_ids_are_cursors() -> None:
    """An event without an id has that of the one before; the last cursor is sent as Last-Event-ID."""
    stream = event(b"next", OK, b"7") + event(b"next", OK) + event(b"next", OK, "é".encode()) + b"id\n"
    recorder = await result_of(SSE + stream + event(b"next", OK) + event(b"complete", b""))
    found = {"data": {"x": 1}}
    assert recorder.events == [(found, "7"), (found, "7"), (found, "é"), found]


# requests


def target(protocol: StreamProtocol, signer: RequestSigner | None = None) -> StreamTarget:
    """Return a target."""
    clock = FakeClock()
    settings = SubgraphSubscriptions(protocol=protocol)
    dialer = Dialer("h", 80, None, clock)
    return StreamTarget("a", "http://h/g?x=y", "h:80", "/g?x=y", None, dialer, settings, signer)


def head_of(request: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the first line and the headers of a request."""
    line, *lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return line.encode(), dict(one.split(": ", 1) for one in lines)


@pytest.mark.parametrize("protocol", ["sse", "multipart"])
def test_requests(protocol: StreamProtocol) -> None:
    """The body of the call, its headers, and no compression."""
    call = call_for(*CALL, {"a": 1}, headers=Headers.of([("authorization", "kim")]))
    line, headers = head_of(request_of(target(protocol), call, None))
    assert line == b"POST /g?x=y HTTP/1.1"
    assert headers.pop("accept").startswith(
        "text/event-stream"
        if protocol == "sse"
        else 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",'
    )
    length = str(len(call.body))
    assert headers == {
        "host": "h:80",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "content-length": length,
        "authorization": "kim",
    }
    assert request_of(target(protocol), call, None).endswith(b"\r\n\r\n" + call.body)


@pytest.mark.parametrize(("after", "sent"), [("7", "7"), ("é", "Ã©"), ("a\r\nx: y", None), ("\0", None)])
def test_cursors_are_sent(after: str, sent: str | None) -> None:
    """As Last-Event-ID, unless they could break the request."""
    _, headers = head_of(request_of(target("sse"), call_for(*CALL), after))
    assert headers.get("last-event-id") == sent
    assert "x" not in headers


def test_requests_are_signed() -> None:
    """As other requests of the subgraph are."""
    clock = FakeClock()
    signer = RequestSigner(SigningSettings(Secret("k" * 32)), "a", "/g?x=y", clock)
    request = request_of(target("sse", signer), call_for(*CALL), None)
    _, headers = head_of(request)
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    signed = SignableRequest("POST", b"/g", b"x=y", pairs, request.partition(b"\r\n\r\n")[2])
    Verifier({"gateway": "k" * 32}, "a", clock=clock).check(signed)


async def test_a_stream_whose_subgraph_has_no_target() -> None:
    """It fails; and such streams resume nowhere."""
    streams = HttpStreams({}, FakeClock())
    recorder = Recorder()
    streams.open(call_for(*CALL), recorder)
    await recorder.has("failed")
    assert recorder.error.code == "SUBGRAPH_UNREACHABLE"
    assert not streams.resumes(call_for(*CALL))
