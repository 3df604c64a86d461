"""Server-sent events (WHATWG HTML, 9.2) without I/O: a reader for the gateway's streams from subgraphs, and
writers for its streams to clients.

Example: `SseReader(1_000).feed(b'id: 7\\nevent: next\\ndata: {}\\n\\n')` returns
`[SseEvent(b"next", b"{}", b"7")]`, and `event(b"next", b"{}", b"7")` returns `b"event: next\\nid: 7\\ndata:
{}\\n\\n"`.
"""

from typing import NamedTuple

from gateway.core.streams import StreamEnd, StreamPart
from gateway.wire.stream_error import StreamError

BOM = b"\xef\xbb\xbf"
HEARTBEAT = b":\n\n"
_BESIDE = 16  # bytes of a line besides the value of its field, at most: a byte order mark and `event: `
_BREAKS = bytes.maketrans(b"\r\n", b"  ")


class SseEvent(NamedTuple):
    """An event.

    `name`: `message` if the server gave none. `id`: the last id that the stream had until the event; None if
    it had none, or an empty one.
    """

    name: bytes
    data: bytes
    id: bytes | None


class SseReader:
    """Reads an event stream.

    - `max_message`: the most bytes of an event's data, and of the value in a line.
    - `bare`: the names of events that count also without data, which the specification ignores: servers of
      the graphql-sse protocol have sent `complete` in this way.
    - `retry`: the milliseconds that the server wants clients to wait before they connect again; None if it
      has not said so.

    Lines are stored in one buffer and the data of an event in another one, so that each byte is copied twice
    at most, in however small pieces it arrives.
    """

    __slots__ = ("_bare", "_data", "_id", "_line", "_max", "_name", "_returned", "_started", "retry")

    def __init__(self, max_message: int, *, bare: frozenset[bytes] = frozenset()) -> None:
        self._max = max_message
        self._bare = bare
        self._line = bytearray()  # an incomplete line
        self._data = bytearray()  # of the event, with a line feed after each line
        self._name = b""
        self._id: bytes | None = None
        self._returned = False  # whether the last byte was a carriage return: a line feed after it is no line
        self._started = False
        self.retry: int | None = None

    def feed(self, data: bytes) -> list[SseEvent]:
        """Return the events that the next bytes complete, in order.

        Raises StreamError for a line or an event that is too long, with the events before it.
        """
        found: list[SseEvent] = []
        if not data:
            return found
        if self._returned and data[:1] == b"\n":
            data = data[1:]
        self._returned = data[-1:] == b"\r" if data else False
        try:
            for line in data.splitlines(keepends=True):
                self._read(line, found)
        except StreamError as error:
            error.before = found
            raise
        return found

    def _read(self, line: bytes, found: list[SseEvent]) -> None:
        """Read a line with its end, or the beginning of one."""
        text = line.rstrip(b"\r\n")
        if len(self._line) + len(text) > self._max + _BESIDE:
            raise StreamError(f"expected lines of at most {self._max + _BESIDE} bytes, got a longer one")
        if len(text) == len(line):
            self._line += text
            return
        if self._line:
            text = bytes(self._line + text)
            self._line.clear()
        if not self._started:
            self._started, text = True, text.removeprefix(BOM)
        if text:
            self._field(text)
        else:
            self._dispatch(found)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            if len(self._data) + len(value) > self._max:
                raise StreamError(f"expected events of at most {self._max} bytes, got a longer one")
            self._data += value
            self._data += b"\n"
        elif name == b"event":
            self._name = value
        elif name == b"id" and b"\0" not in value:
            self._id = value or None
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self.retry = int(value)

    def _dispatch(self, found: list[SseEvent]) -> None:
        """Add the event that an empty line ends, if there is one."""
        if self._data or self._name in self._bare:
            found.append(SseEvent(self._name or b"message", bytes(self._data[:-1]), self._id))
            self._data.clear()
        self._name = b""


def event(name: bytes, data: bytes, id: bytes | None = None) -> bytes:
    """Return an event.

    `data`: JSON, or empty; an event without data has an empty line of data, since browsers ignore events
    without one. Line breaks, which JSON has only between its tokens, become spaces: not every client joins
    several lines of data. `id`: omitted if it has a byte that no id may have.
    """
    if b"\n" in data or b"\r" in data:
        data = data.translate(_BREAKS)
    if id is None or b"\n" in id or b"\r" in id or b"\0" in id:
        return b"event: %b\ndata: %b\n\n" % (name, data)
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name, id, data)


def comment() -> bytes:
    """Return a comment, which clients ignore: a heartbeat."""
    return HEARTBEAT


class SingleMessages:
    """The events of graphql-sse's single connection mode, each with the id of its operation; it implements
    `messages.Messages`.

    Example: `SINGLE.result(b'"1"', b'{"data":{}}')` returns
    `b'event: next\\ndata: {"id":"1","payload":{"data":{}}}\\n\\n'`.
    """

    tag = b"e"

    def next(self, name: bytes, part: StreamPart) -> bytes:
        return self.result(name, part.body)

    def result(self, name: bytes, body: bytes) -> bytes:
        return event(b"next", b'{"id":%b,"payload":%b}' % (name, body))

    def end(self, name: bytes, end: StreamEnd) -> bytes:
        last = self.result(name, end.body) if end.errors else b""
        return last + event(b"complete", b'{"id":%b}' % name)


SINGLE = SingleMessages()
