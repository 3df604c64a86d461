"""WebSockets to servers that misbehave, refuse or die: each fault has its code, and harms no other socket."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.core.clock import FakeClock
from gateway.settings import Settings, StreamProtocol, SubgraphSettings, SubgraphSubscriptions, SubgraphTls
from gateway.transport.base import call_for
from gateway.transport.make_streams import make_streams
from gateway.transport.socket_lost import SocketLost
from gateway.transport.websocket import WebSocket
from gateway.wire.frames import BINARY, PING, TEXT, close_frame, frame
from gateway.wire.handshake import accept_response, read_handshake
from tests.gateway.certificates import Authority
from tests.gateway.support import until
from tests.gateway.transport.scripted_socket import MemoryTransport, serving
from tests.gateway.transport.streaming import Recorder
from tests.gateway.transport.test_stream_ws import QUERY, protocol, rig
from tests.gateway.wire.pieces import CUTS, pieces

__all__ = ["protocol"]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"


@pytest.mark.parametrize(
    ("code", "reason", "error", "words"),
    [
        (1000, "", "SUBGRAPH_UNREACHABLE", "without an error (1000)"),
        (1001, "restart", "SUBGRAPH_UNREACHABLE", "because it is going away (1001 'restart')"),
        (1011, "", "SUBGRAPH_UNREACHABLE", "because of an internal error (1011)"),
        (1012, "", "SUBGRAPH_UNREACHABLE", "because it restarts (1012)"),
        (3000, "x", "SUBGRAPH_UNREACHABLE", "with the code 3000 'x'"),
        (4400, "bad", "SUBGRAPH_ERROR", "because it does not accept a message (4400 'bad')"),
        (4401, "", "SUBGRAPH_ERROR", "because the connection is not authorized (4401)"),
        (4403, "Forbidden", "SUBGRAPH_ERROR", "because access is forbidden (4403 'Forbidden')"),
        (4406, "", "SUBGRAPH_ERROR", "because it does not speak the sub-protocol (4406)"),
        (4408, "", "SUBGRAPH_TIMEOUT", "because connection_init came too late (4408)"),
        (4409, "", "SUBGRAPH_ERROR", "because an id was used twice (4409)"),
        (4429, "", "SUBGRAPH_ERROR", "because connection_init came twice (4429)"),
        (4499, "", "SUBGRAPH_ERROR", "with the code 4499"),
        (4500, "", "SUBGRAPH_UNREACHABLE", "because of an internal error (4500)"),
    ],
)
async def test_a_socket_that_is_closed_fails_its_own_subscriptions(
    protocol: StreamProtocol, code: int, reason: str, error: str, words: str
) -> None:
    """Each with the code and the reason; those of other sockets go on, and the next one opens a socket."""
    async with rig(protocol) as this:
        found = await this.opened(2)
        ((other, _),) = await this.opened(1, [("authorization", "kim")])
        closing, staying = this.server.peers
        closing.close(code, reason)
        for recorder, _ in found:
            await recorder.has("failed")
            assert (recorder.error.code, recorder.error.subgraph) == (error, "a")
            assert recorder.error.message == f"closed the WebSocket {words}"
            assert recorder.error.extensions["closeCode"] == code
            assert recorder.error.extensions["closeReason"] == reason
        await until(lambda: closing.closed == (code, ""))
        this.send_event("1", staying)
        await other.has("event")
        await this.opened(1)
        assert len(this.server.peers) == 3


async def test_a_connection_that_breaks(protocol: StreamProtocol) -> None:
    """Without a close frame it has the code that stands for that."""
    async with rig(protocol) as this:
        ((recorder, _),) = await this.opened(1)
        this.peer.abort()
        await recorder.has("failed")
        assert recorder.error.code == "SUBGRAPH_UNREACHABLE"
        assert recorder.error.extensions["closeCode"] == 1006


async def test_a_close_frame_without_a_code(protocol: StreamProtocol) -> None:
    """It is answered by 1000."""
    async with rig(protocol) as this:
        ((recorder, _),) = await this.opened(1)
        this.peer.raw(frame(8, b""))
        await recorder.has("failed")
        assert recorder.error.message == "closed the WebSocket without a code (1005)"
        await until(lambda: this.peer.closed == (1000, ""))


@pytest.mark.parametrize(
    ("raw", "close_code"),
    [
        (frame(BINARY, b"{}"), 1003),
        (frame(TEXT, b'{"type":"pong"}', mask=b"abcd"), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(3, b""), 1002),
        (frame(TEXT, b'"%b"' % (b"x" * 2_000)), 1009),
        (b"\x01\x7e\x03\xe8" + b"x" * 1_000 + b"\x00\x7e\x03\xe8", 1009),
        (frame(TEXT, b"{"), 4400),
        (frame(TEXT, b"[]"), 4400),
        (frame(TEXT, b'{"type":7}'), 4400),
        (b"HTTP/1.1 200 OK\r\n\r\n", 1002),
    ],
)
async def test_a_violation_closes_the_socket(protocol: StreamProtocol, raw: bytes, close_code: int) -> None:
    """The server gets the code; what it sent before the violation counts."""
    async with rig(protocol, max_message=1_000) as this:
        ((recorder, _),) = await this.opened(1)
        this.send_event("1")
        this.peer.raw(raw)
        await recorder.has("failed")
        assert recorder.kinds == ["opened", "event", "failed"]
        assert recorder.error.code == "SUBGRAPH_BAD_RESPONSE"
        assert recorder.error.message.startswith("broke the protocol of the WebSocket: expected ")
        assert recorder.error.extensions["closeCode"] == close_code
        await until(lambda: this.peer.closed is not None and this.peer.closed[0] == close_code)


async def test_an_unknown_message_closes_the_socket() -> None:
    """In the new protocol; the legacy one ignores it."""
    async with rig("graphql-transport-ws") as this:
        ((recorder, _),) = await this.opened(1)
        this.peer.send(type="data", id="1", payload={})
        await recorder.has("failed")
        await until(lambda: this.peer.closed is not None and this.peer.closed[0] == 4400)


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "SUBGRAPH_HTTP_ERROR", "403 to the request for a WebSocket"),
        (b"HTTP/1.1 503 Away\r\ncontent-length: 1\r\n\r\nx", "SUBGRAPH_HTTP_ERROR", "HTTP status 503"),
        (b"HTTP/1.1 302 X\r\nlocation: http://h\r\n\r\n", "SUBGRAPH_HTTP_ERROR", "a redirect to http://h"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "SUBGRAPH_HTTP_ERROR", "HTTP status 200"),
        (b"nonsense\r\n\r\n", "SUBGRAPH_BAD_RESPONSE", "invalid HTTP reply"),
        (SWITCH + b"sec-websocket-accept: x\r\n\r\n", "SUBGRAPH_BAD_RESPONSE", "no valid WebSocket"),
        (SWITCH + b"\r\n", "SUBGRAPH_BAD_RESPONSE", "no valid WebSocket"),
        (b"HTTP/1.1 101 Switching\r\nx: " + b"y" * 300_000, "SUBGRAPH_BAD_RESPONSE", "headers of at most"),
    ],
    ids=range(8),
)  # fmt: skip
async def test_a_socket_that_is_refused(
    protocol: StreamProtocol, reply: bytes, code: str, words: str
) -> None:
    """The subscriptions that wait for it fail."""
    async with rig(protocol, {"reply": reply}) as this:
        for recorder in [this.open()[0] for _ in range(2)]:
            await recorder.has("failed")
            assert recorder.kinds == ["failed"]
            assert recorder.error.code == code
            assert words in recorder.error.message
            if code == "SUBGRAPH_HTTP_ERROR":
                assert recorder.error.extensions["status"] == int(reply[9:12])
        await until(lambda: this.peer.is_lost)


async def test_a_legacy_server_that_refuses_the_connection() -> None:
    """The reason is passed on."""
    async with rig("graphql-ws", {"acknowledges": False}) as this:
        recorder, _ = this.open()
        await until(lambda: len(this.server.messages) == 1)
        this.peer.send(type="connection_error", payload={"message": "no token"})
        await recorder.has("failed")
        assert (recorder.error.code, recorder.error.message) == (
            "SUBGRAPH_ERROR",
            "refused the connection: no token",
        )
        await until(lambda: this.peer.is_lost)


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_tls(protocol: StreamProtocol, is_trusted: bool, tmp_path: Any) -> None:
    """wss is by the subgraph's settings of TLS."""
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    tls = SubgraphTls(ca=authority.ca if is_trusted else other.ca)
    own = SubgraphSettings(tls=tls, subscriptions=SubgraphSubscriptions(protocol=protocol, attempts=0))
    async with serving(authority.issue("server").server()) as server:
        url = server.url.replace("ws://127.0.0.1", "wss://localhost")
        streams = make_streams({"a": url}, Settings(subgraphs={"a": own}))
        recorder = Recorder()
        handle = streams.open(call_for("a", QUERY), recorder)
        await until(lambda: bool(recorder.happened))
        if is_trusted:
            assert recorder.kinds == ["opened"]
        else:
            assert "has a certificate that is not accepted" in recorder.error.message
        handle.cancel()
        await streams.close()


# the socket alone


class Seen:
    """Records what a socket passes on."""

    def __init__(self) -> None:
        self.happened: list[Any] = []

    def upgraded(self) -> None:
        """Record it."""
        self.happened.append("upgraded")

    def text(self, payload: bytes) -> None:
        """Record the text."""
        self.happened.append(payload)

    def lost(self, why: SocketLost) -> None:
        """Record why, without the cause."""
        self.happened.append(why._replace(cause=None))


FRAMES = (frame(TEXT, b"{}"), frame(TEXT, "é".encode() * 60), frame(PING, b"x"), b"\x01\x01a\x80\x01b",
          close_frame(1001, "bye"), frame(BINARY, b""), b"\x85\x00", b"\x01")  # fmt: skip


def through(frames: bytes, cuts: list[int]) -> tuple[list[Any], int]:
    """Return what a socket passes on of the handshake and frames in pieces; and how often it wrote."""
    seen, transport = Seen(), MemoryTransport()
    socket = WebSocket(1_000, FakeClock())
    socket.connection_made(transport)
    socket.open(seen, "h", "/", "p", [])
    lines = transport.sent.split(b"\r\n")[1:-2]
    pairs = [(name.lower(), value.strip()) for name, _, value in (one.partition(b":") for one in lines)]
    before = len(transport.sent)
    data = accept_response(read_handshake(b"GET", "1.1", pairs), "p") + frames
    for piece in pieces(data, cuts):
        socket.data_received(piece)
    socket.connection_lost(None)
    return seen.happened, len(transport.sent) - before


@given(some.lists(some.sampled_from(FRAMES), max_size=6).map(b"".join), CUTS)
def test_any_split_of_frames_is_read_alike(frames: bytes, cuts: list[int]) -> None:
    """Texts, pings, fragments, violations and the end; the socket is lost once."""
    happened, written = through(frames, cuts)
    assert (happened, written) == through(frames, [])
    assert happened[0] == "upgraded"
    assert [isinstance(one, SocketLost) for one in happened].count(True) == 1


def test_a_server_that_pings_but_never_reads() -> None:
    """Replies to its pings are omitted as long as it does not read, so that they do not pile up."""
    seen, transport = Seen(), MemoryTransport()
    socket = WebSocket(1_000, FakeClock())
    socket.connection_made(transport)
    socket._head = None
    socket.pause_writing()
    socket.data_received(frame(PING, b"x" * 100) * 1_000)
    assert transport.sent == b""
    socket.resume_writing()
    socket.data_received(frame(PING, b"x"))
    assert transport.sent == b""  # nobody owns the socket yet
    socket._owner = seen
    socket.data_received(frame(PING, b"x"))
    assert transport.sent != b""
