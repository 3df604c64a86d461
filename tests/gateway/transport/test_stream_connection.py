"""The connection of a stream over HTTP: any split of a reply is read alike."""

from hypothesis import given
from hypothesis import strategies as some

from gateway.transport.base import RawHeaders
from gateway.transport.stream_connection import StreamConnection
from tests.gateway.transport.scripted_socket import MemoryTransport
from tests.gateway.transport.test_http_faults import reply
from tests.gateway.transport.test_stream_http import SSE, chunked
from tests.gateway.wire.pieces import CUTS, pieces


class Seen:
    """Records what a connection passes on."""

    def __init__(self) -> None:
        self.status = 0
        self.data = b""
        self.end = ""

    def head(self, status: int, headers: RawHeaders) -> None:
        """Record the status."""
        assert not self.status
        self.status = status

    def body(self, data: bytes) -> None:
        """Record the data."""
        assert self.status and not self.end
        self.data += data

    def finished(self) -> None:
        """Record it."""
        assert not self.end
        self.end = "finished"

    def broken(self, error: Exception) -> None:
        """Record the type of the error."""
        assert not self.end
        self.end = type(error).__name__


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REPLIES = (
    CHUNKED + chunked(b"a", b"bc", b"d" * 20),
    CHUNKED + chunked(b"a", b"bc") + b"HTTP/1.1 200 OK\r\n\r\n",
    CHUNKED + chunked(b"a", b"bc")[:-4] + b"x: y\r\n\r\n",
    CHUNKED + b"1\r\na\r\nzz\r\n",
    SSE + b"abc",
    reply(b"abc"),
    reply(b"abc")[:-1],
    b"HTTP/1.1 103 Early\r\nx: y\r\n\r\n" + reply(b"abc"),
    b"nonsense",
    b"",
)


def through(data: bytes, cuts: list[int]) -> tuple[int, bytes, str]:
    """Return what a connection passes on of a reply in pieces, after which the server closes."""
    seen, connection = Seen(), StreamConnection()
    connection.connection_made(MemoryTransport())
    connection.request(seen, b"")
    for piece in pieces(data, cuts):
        connection.data_received(piece)
    connection.connection_lost(None)
    return seen.status, seen.data, seen.end


@given(some.sampled_from(REPLIES), CUTS)
def test_any_split_of_a_reply_is_read_alike(data: bytes, cuts: list[int]) -> None:
    """Interim replies, trailers, chunks, lengths, and what follows a reply."""
    assert through(data, cuts) == through(data, [])


def test_endless_trailers_and_heads() -> None:
    """A server that sends headers for ever is cut off."""
    for start_ in (b"HTTP/1.1 200 OK\r\n", CHUNKED + b"1\r\na\r\n0\r\n"):
        seen, connection = Seen(), StreamConnection()
        connection.connection_made(transport := MemoryTransport())
        connection.request(seen, b"")
        connection.data_received(start_)
        for _ in range(300):
            if not transport.is_closed:
                connection.data_received(b"x: " + b"y" * 997 + b"\r\n")
        assert seen.end in ("ReplyTooLarge", "HttpParserError")
