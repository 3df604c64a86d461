"""Compression of WebSocket messages for a server: the extension permessage-deflate (RFC 7692).

Example: `negotiate("permessage-deflate; client_max_window_bits")` accepts with the answer
b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12;
client_max_window_bits=12".

A context is what a compressor or a decompressor stores of a connection's earlier messages: about 30 KB in a
compressor with a window of 12 bits, 11 KB in a decompressor. By default no side may have one, and all
connections share one Deflate and one Inflate.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.wire.frames import PROTOCOL_ERROR, TOO_BIG, FrameError

WINDOW = 12  # bits
MEMORY_LEVEL = 5  # zlib's: a hash table of 8 KB and a buffer of 8 KB, not 128 KB
MAX_STREAMS = 8  # DEFLATE streams in one message; more than one comes from unusual compressors only

_NAME = "permessage-deflate"
_TAIL = b"\x00\x00\xff\xff"  # the end of a flush, which the sender removes (7.2.1)
_EMPTY = b"\x00"  # an empty message (7.2.3.6)

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE = rf'(?:({_WORD})|"({_WORD})")'
_EXTENSION = re.compile(rf"[ \t,]*+({_WORD})[ \t]*+")
_PARAMETER = re.compile(rf";[ \t]*+({_WORD})[ \t]*+(?:=[ \t]*+{_VALUE}[ \t]*+)?+")
_VALUES = {
    "server_no_context_takeover": re.compile(""),
    "client_no_context_takeover": re.compile(""),
    "server_max_window_bits": re.compile("9|1[0-5]"),  # zlib cannot compress with 8
    "client_max_window_bits": re.compile("|[89]|1[0-5]"),
}
"""The values that a parameter may have; "" stands for none."""

Parameters = Sequence[tuple[str, str]]


class Deflate:
    """Compresses messages. `window`: bits, 9 to 15; `keep_context`: refer to earlier messages.

    Without a context many connections may share the object.
    """

    __slots__ = ("_context", "_keep", "_window")

    def __init__(self, window: int = WINDOW, *, keep_context: bool = False) -> None:
        self._window = window
        self._keep = keep_context
        self._context: zlib._Compress | None = None

    def message(self, payload: bytes) -> bytes:
        """Return the payload of a frame with RSV1: `frame(TEXT, deflate.message(text), rsv1=True)`."""
        if not payload:
            return _EMPTY
        compressor = self._context
        if compressor is None:
            level = zlib.Z_DEFAULT_COMPRESSION
            compressor = zlib.compressobj(level, zlib.DEFLATED, -self._window, MEMORY_LEVEL)
            if self._keep:
                self._context = compressor
        return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


class Inflate:
    """Decompresses messages. `window` and `keep_context`: what the peer's compressor has."""

    __slots__ = ("_context", "_keep", "_window")

    def __init__(self, window: int = WINDOW, *, keep_context: bool = False) -> None:
        self._window = max(window, 9)  # zlib's least; it reads what a window of 8 has made
        self._keep = keep_context
        self._context: zlib._Decompress | None = None

    def message(self, payload: bytes | bytearray, limit: int) -> bytes:
        try:
            return self._message(payload + _TAIL, limit)
        except zlib.error as error:
            raise FrameError(PROTOCOL_ERROR, f"expected a compressed message, got one with {error}") from None

    def _message(self, data: bytes | bytearray, limit: int) -> bytes:
        """Decompress data. A stream may end within them (7.2.3.4); the next one may refer to it."""
        stream, plain = self._context or zlib.decompressobj(-self._window), b""
        for _ in range(MAX_STREAMS):
            plain += stream.decompress(data, limit + 1 - len(plain))
            if len(plain) > limit:
                raise FrameError(TOO_BIG, f"expected a message of at most {limit} bytes, got more")
            if not stream.eof:
                self._context = stream if self._keep else None
                return plain
            data = stream.unused_data
            if len(data) <= len(_TAIL):  # the sender has removed the end of a flush that there was not
                data = b""
            stream = zlib.decompressobj(-self._window, zdict=plain[-(1 << self._window) :])
        raise FrameError(
            PROTOCOL_ERROR, f"expected at most {MAX_STREAMS} DEFLATE streams in a message, got more"
        )


_shared_deflate = lru_cache(Deflate)
_shared_inflate = lru_cache(Inflate)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides have agreed on: windows in bits, and who keeps a context.

    `answer`: the value of the response's header Sec-WebSocket-Extensions.
    """

    answer: bytes
    server_window: int
    client_window: int
    server_context: bool
    client_context: bool

    def deflate(self) -> Deflate:
        """Return a connection's compressor."""
        if self.server_context:
            return Deflate(self.server_window, keep_context=True)
        return _shared_deflate(self.server_window)

    def inflate(self) -> Inflate:
        """Return a connection's decompressor."""
        if self.client_context:
            return Inflate(self.client_window, keep_context=True)
        return _shared_inflate(self.client_window)


def negotiate(offers: str, window: int = WINDOW, *, keep_context: bool = False) -> Agreement | None:
    """Return what is agreed on by accepting the first offer that is possible; None: no compression.

    `offers`: the value of the request's header Sec-WebSocket-Extensions; nothing of a malformed one is
    accepted. `window`: the most bits of both windows, 9 to 15. `keep_context`: both sides may have a context.
    """
    for name, parameters in _parse(offers):
        if name == _NAME and (agreement := _accept(parameters, window, keep_context)):
            return agreement
    return None


def _accept(parameters: Parameters, window: int, keep_context: bool) -> Agreement | None:
    """Return the agreement about one offer; None if a parameter is unknown, repeated or not valid.

    A client that does not offer to limit its window has 15 bits, and then must not have a context.
    """
    given = dict(parameters)
    known = all(name in _VALUES and _VALUES[name].fullmatch(value) for name, value in parameters)
    if len(given) < len(parameters) or not known:
        return None
    limited = "client_max_window_bits" in given
    server = min(window, int(given.get("server_max_window_bits", 15)))
    client = min(window, int(given["client_max_window_bits"] or 15)) if limited else 15
    server_context = keep_context and "server_no_context_takeover" not in given
    client_context = keep_context and limited and "client_no_context_takeover" not in given
    parts = [
        _NAME,
        *([] if server_context else ["server_no_context_takeover"]),
        *([] if client_context else ["client_no_context_takeover"]),
        f"server_max_window_bits={server}",
        *([f"client_max_window_bits={client}"] if limited else []),
    ]
    return Agreement("; ".join(parts).encode(), server, client, server_context, client_context)


def _parse(offers: str) -> list[tuple[str, Parameters]]:
    """Return the names and parameters of extensions; nothing if any is malformed (RFC 6455, 9.1)."""
    found: list[tuple[str, Parameters]] = []
    at = 0
    while match := _EXTENSION.match(offers, at):
        parameters: list[tuple[str, str]] = []
        name, at = match[1], match.end()
        while match := _PARAMETER.match(offers, at):
            parameters.append((match[1], match[2] or match[3] or ""))
            at = match.end()
        found.append((name, parameters))
        if offers[at : at + 1] not in ("", ","):
            return []
    return [] if offers[at:].strip(" \t,") else found
