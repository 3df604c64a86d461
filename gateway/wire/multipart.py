"""Streams of parts (multipart/mixed, RFC 2046) without I/O, as Apollo's subscriptions over HTTP use them: a
reader for the gateway's streams from subgraphs, and writers for its streams to clients.

Example: `MultipartReader(b"graphql", 1_000).feed(start() + part(b"{}"))` returns `[b"{}"]`.

A part ends with the delimiter before the next one, so a part is only complete when that delimiter has
arrived: the writers write it together with the part.
"""

import re
from collections.abc import Callable

from gateway.wire.stream_error import StreamError

MAX_HEADERS = 16_384  # bytes of the headers of one part, or of one line around a delimiter
_PART = b"\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b\r\n--%b"
_PARAMETER = re.compile(r';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,\s"]+))', re.IGNORECASE)


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary that a Content-Type of multipart/mixed names, in quotes or without.

    None for other media types, and without a boundary or with one of more than 70 characters.
    """
    if content_type.partition(";")[0].strip().lower() != "multipart/mixed":
        return None
    found = _PARAMETER.search(content_type)
    if found is None:
        return None
    boundary = found[2] or re.sub(r"\\(.)", r"\1", found[1])
    return boundary.encode("latin-1", "replace") if 0 < len(boundary) <= 70 else None


class MultipartReader:
    """Reads the bodies of the parts; `ended` says whether the closing delimiter has arrived.

    `max_message`: the most bytes of a part's body, and of what precedes the first delimiter.

    A delimiter counts at the begin of a line only. JSON has no line breaks within strings, so that nothing in
    a part can be taken for a delimiter. Lines may also end with a line feed alone.
    """

    __slots__ = ("_buffer", "_headers", "_mark", "_max", "_scanned", "_step", "ended")

    def __init__(self, boundary: bytes, max_message: int) -> None:
        self._mark = b"\n--" + boundary
        self._max = max_message
        self._buffer = bytearray(b"\n")  # the line feed before a delimiter belongs to it
        self._scanned = 0  # nothing that is searched for begins before this position
        self._headers = 0  # bytes of the part's headers so far
        self._step: Callable[[MultipartReader, list[bytes]], bool] = MultipartReader._preamble
        self.ended = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the bodies of the parts that the next bytes complete, in order.

        Raises StreamError for a part that is too long, with the bodies before it.
        """
        found: list[bytes] = []
        if self.ended:
            return found
        self._buffer += data
        try:
            while self._step(self, found):
                pass
        except StreamError as error:
            error.before = found
            raise
        return found

    # The steps. Each reads from the buffer and sets the next step; False: it needs more bytes.

    def _preamble(self, _: list[bytes]) -> bool:
        """Ignore what precedes the first delimiter."""
        return self._until_mark("before the first part") is not None

    def _delimiter(self, _: list[bytes]) -> bool:
        """Read the rest of a delimiter: `--` after the last part, otherwise the end of the line."""
        if len(self._buffer) < 2:
            return False
        if self._buffer.startswith(b"--"):
            self.ended = True
            self._buffer.clear()
            return False
        if self._line() is None:
            return False
        self._step = MultipartReader._header
        return True

    def _header(self, _: list[bytes]) -> bool:
        """Ignore a header. A delimiter in its place is read as one: Strawberry writes the last one twice."""
        if self._buffer.startswith(self._mark[1:]):
            self._behind_mark(len(self._mark) - 1)
            return True
        line = self._line()
        if line == b"":
            self._buffer[:0] = b"\n"  # of the empty line: a delimiter may follow at once
            self._step = MultipartReader._body
        return line is not None

    def _body(self, found: list[bytes]) -> bool:
        """Read the body of a part."""
        body = self._until_mark("of a part")
        if body is not None:
            found.append(body)
        return body is not None

    def _until_mark(self, place: str) -> bytes | None:
        """Remove what the buffer has up to the next delimiter, and return it without the line feed at its
        begin; None if there is no delimiter yet.
        """
        at = self._buffer.find(self._mark, self._scanned)
        self._scanned = max(0, len(self._buffer) - len(self._mark) + 1)
        end = self._scanned if at < 0 else at
        if self._buffer[end - 1 : end] == b"\r":
            end -= 1
        if end - 1 > self._max:
            raise StreamError(f"expected at most {self._max} bytes {place}, got more")
        if at < 0:
            return None
        body = bytes(self._buffer[1:end])
        self._behind_mark(at + len(self._mark))
        return body

    def _behind_mark(self, position: int) -> None:
        """Go on behind a delimiter, which ends at a position of the buffer."""
        del self._buffer[:position]
        self._scanned = self._headers = 0
        self._step = MultipartReader._delimiter

    def _line(self) -> bytes | None:
        """Remove a line and return it without its end; None if it is incomplete."""
        at = self._buffer.find(b"\n", self._scanned)
        size = len(self._buffer) if at < 0 else at + 1
        if self._headers + size > MAX_HEADERS:
            raise StreamError(f"expected at most {MAX_HEADERS} bytes of a part's headers, got more")
        if at < 0:
            self._scanned = size
            return None
        line = bytes(self._buffer[:at]).removesuffix(b"\r")
        del self._buffer[:size]
        self._scanned, self._headers = 0, self._headers + size
        return line


def start(boundary: bytes = b"graphql") -> bytes:
    """Return the first delimiter, which precedes the first part."""
    return b"\r\n--" + boundary


def part(body: bytes, boundary: bytes = b"graphql") -> bytes:
    """Return a part with JSON, and the delimiter that ends it, so that a client may process it at once.

    aiohttp processes a part without a length only when the next one begins.
    """
    return _PART % (len(body), body, boundary)


def end() -> bytes:
    """Return what makes the last delimiter the closing one; without it clients report an error."""
    return b"--\r\n"
