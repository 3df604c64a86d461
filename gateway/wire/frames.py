"""WebSocket frames (RFC 6455) without I/O, for servers and clients: bytes to messages, messages to bytes.

Example: `FrameReader(1_000_000).feed(frame(TEXT, b"hi", mask=b"abcd"))` returns `[Frame(TEXT, b"hi")]`, and
`text_frame(b"hi")` is b"\\x81\\x02hi".

A reader between two messages has nothing but its seven attributes. It stores an incomplete frame head and an
incomplete control frame (131 bytes at most) as bytes, and an incomplete message in a `_Message`, so that a
payload in many pieces is copied once. Pieces are unmasked and their UTF-8 is checked as they arrive.
"""

from codecs import utf_8_decode
from struct import pack
from typing import NamedTuple, Protocol, cast

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

NORMAL = 1000  # close codes
PROTOCOL_ERROR = 1002
NO_CODE = 1005  # stands for a close frame without a code, is never sent
INVALID_DATA = 1007
TOO_BIG = 1009

_FIN, _RSV1, _CONTROL, _MASKED = 0x80, 0x40, 0x08, 0x80
_MAX_CONTROL = 125  # bytes of the payload of a control frame
_WHOLE_TEXT = _FIN | TEXT
_CONTROLS = frozenset({0x88, 0x89, 0x8A})
_STARTS = _CONTROLS | {0x01, 0x02, 0x81, 0x82}  # first bytes of a frame between two messages
_DEFLATED_STARTS = _STARTS | {0x41, 0x42, 0xC1, 0xC2}
_CONTINUATIONS = _CONTROLS | {0x00, 0x80}  # first bytes of a frame within a message
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
_LONG = 2_048  # bytes; a longer payload is unmasked byte by byte with four tables, a shorter one as a number


class Frame(NamedTuple):
    """A complete message. `kind`: TEXT, BINARY, CLOSE, PING or PONG; the payload of TEXT is valid UTF-8."""

    kind: int
    payload: bytes


class FrameError(Exception):
    """The peer broke the protocol: close the connection with `close_code` and `reason`.

    `before`: the messages that were complete before the violation, in the same call of `feed`; handle them
    first.
    """

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(f"{close_code}: {reason}")
        self.close_code = close_code
        self.reason = reason
        self.before: list[Frame] = []


class Inflater(Protocol):
    """What decompresses the messages of a connection."""

    def message(self, payload: bytes | bytearray, limit: int) -> bytes:
        """Return a message decompressed.

        Raises FrameError: 1009 after `limit` bytes, without decompressing more; 1002 if it is not valid.
        """


_make = tuple.__new__  # three times as fast as Frame(kind, payload)
_number = int.from_bytes


def _heads() -> tuple[bytes, ...]:
    short = [bytes((_WHOLE_TEXT, size)) for size in range(126)]
    return (*short, *(pack(">BBH", _WHOLE_TEXT, 126, size) for size in range(126, 4_096)))


_TEXT_HEADS = _heads()  # by the length of the payload


def text_frame(payload: bytes) -> bytes:
    """Return a server's frame with a text, which must be UTF-8: unmasked, not fragmented."""
    size = len(payload)
    if size < 4_096:
        return _TEXT_HEADS[size] + payload
    return frame(TEXT, payload)


def frame(opcode: int, payload: bytes, *, mask: bytes | None = None, rsv1: bool = False) -> bytes:
    """Return a message as one frame.

    `mask`: four bytes, random for each frame, which a client must give and a server must not. `rsv1`: the
    payload is compressed. The payload of a control frame must have at most 125 bytes.
    """
    first, size, masked = _FIN | opcode | (_RSV1 if rsv1 else 0), len(payload), 0 if mask is None else _MASKED
    if size < 126:
        head = bytes((first, masked | size))
    elif size < 65_536:
        head = pack(">BBH", first, masked | 126, size)
    else:
        head = pack(">BBQ", first, masked | 127, size)
    return head + payload if mask is None else head + mask + _unmask(payload, mask)


def close_frame(code: int, reason: str = "", *, mask: bytes | None = None) -> bytes:
    """Return a close frame. The reason is cut to 123 bytes, at the end of a character."""
    text = reason.encode(errors="replace")[: _MAX_CONTROL - 2].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text, mask=mask)


def close_reply(payload: bytes, *, mask: bytes | None = None) -> bytes:
    """Return the reply to a close frame with this payload: the same code, or 1000 if it has none."""
    code, _ = read_close(payload)
    return close_frame(NORMAL if code == NO_CODE else code, mask=mask)


def read_close(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason in the payload of a CLOSE; 1005 and "" if it is empty."""
    if not payload:
        return NO_CODE, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode()


def _tables() -> tuple[bytes, ...]:
    every = _number(bytes(range(256)))
    return tuple((every ^ _number(bytes((one,)) * 256)).to_bytes(256) for one in range(256))


_XOR = _tables()  # _XOR[a][b] is a ^ b


def _unmask(data: bytes, mask: bytes) -> bytes:
    """Return data XOR the repeated mask: masked if it was not, and the other way round."""
    size = len(data)
    if size > _LONG:
        plain = bytearray(size)
        for offset in range(4):
            plain[offset::4] = data[offset::4].translate(_XOR[mask[offset]])
        return bytes(plain)
    masks = (mask * ((size + 3) >> 2))[:size]
    return (_number(data) ^ _number(masks)).to_bytes(size)


def _text_tail(tail: bytes, piece: bytes, last: bool) -> bytes:
    """Return the bytes of an incomplete character at the end of a text that goes on after `tail`.

    Raises FrameError 1007 as soon as the bytes cannot be UTF-8; `last`: nothing comes after the piece.
    """
    if not tail and piece.isascii():
        return b""
    text = tail + piece
    try:
        _, used = utf_8_decode(text, "strict", last)
    except UnicodeDecodeError as error:
        raise FrameError(INVALID_DATA, f"expected UTF-8, got a text with {error.reason}") from None
    return text[used:]


def _check_close(payload: bytes) -> None:
    """Raise FrameError unless the payload of a close frame is valid."""
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1:
        raise FrameError(PROTOCOL_ERROR, "expected a close code of 2 bytes, got 1 byte")
    if code not in _CLOSE_CODES and not 3_000 <= code < 5_000:
        raise FrameError(PROTOCOL_ERROR, f"expected a close code that may be sent, got {code}")
    _text_tail(b"", payload[2:], last=True)


def _long_length(data: bytes) -> int:
    """Return a length of 2 or 8 bytes. Raises FrameError if it fits into less or has more than 63 bits."""
    length = int.from_bytes(data, "big")
    if length < (126 if len(data) == 2 else 65_536):
        reason = f"expected the shortest form of a length, got {length} in {len(data)} bytes"
        raise FrameError(PROTOCOL_ERROR, reason)
    if length >> 63:
        raise FrameError(PROTOCOL_ERROR, "expected a length of at most 63 bits, got 64")
    return length


def _wrong_start(first: int, inside: bool, deflated: bool) -> FrameError:
    """Return the violation in the first byte of a frame. `inside`: a message is incomplete."""
    opcode = first & 0x0F
    if first & 0x30 or (first & _RSV1 and (not deflated or inside or opcode not in (TEXT, BINARY))):
        reason = "expected no reserved bits but those of an agreed extension, got some"
    elif opcode not in (0, TEXT, BINARY, CLOSE, PING, PONG):
        reason = f"expected a known opcode, got {opcode}"
    elif opcode & _CONTROL:
        reason = "expected a whole control frame, got a fragment"
    elif inside:
        reason = "expected a continuation of the message, got another message"
    else:
        reason = "expected a message, got a continuation"
    return FrameError(PROTOCOL_ERROR, reason)


class _Message:
    """A message that is not complete, and the frame of it that is being read.

    `tail`: the bytes of an incomplete character at its end. Of the frame: `missing` bytes have not arrived,
    the message ends with it if it is the `last`, and `mask` begins with the byte for the next byte.
    """

    __slots__ = ("data", "deflated", "kind", "last", "mask", "missing", "tail")

    def __init__(self, first: int) -> None:
        self.kind = first & 0x0F
        self.deflated = bool(first & _RSV1)
        self.data = bytearray()
        self.tail = self.mask = b""
        self.missing = 0
        self.last = False

    def take(self, data: bytes, at: int) -> int:
        """Add what data has of the frame, from a position on; return the position after it.

        Raises FrameError if the text is not UTF-8 so far.
        """
        piece = data[at : at + self.missing]
        size = len(piece)
        self.missing -= size
        if mask := self.mask:
            turn = size & 3
            piece, self.mask = _unmask(piece, mask), mask[turn:] + mask[:turn]
        if self.kind == TEXT and not self.deflated:
            self.tail = _text_tail(self.tail, piece, last=self.last and not self.missing)
        self.data += piece
        return at + size


class FrameReader:
    """Reads what a peer sends.

    `max_message`: the most bytes of a message, before decompression and after. `client`: this side is the
    client, so the peer's frames must not be masked; otherwise they must be. `inflate`: decompresses messages,
    if that has been agreed.

    After a close frame, and after a FrameError, the reader ignores everything that arrives.
    """

    __slots__ = ("_allowed", "_ended", "_inflate", "_masked", "_max", "_message", "_rest")

    def __init__(self, max_message: int, *, client: bool = False, inflate: Inflater | None = None) -> None:
        self._max = max_message
        self._masked = 0 if client else _MASKED
        self._inflate = inflate
        self._allowed = _STARTS if inflate is None else _DEFLATED_STARTS  # first bytes of the next frame
        self._message: _Message | None = None
        self._rest = b""  # an incomplete head or control frame
        self._ended = False

    def feed(self, data: bytes) -> list[Frame]:
        """Return the messages that the peer's next bytes complete, in order.

        Raises FrameError for a violation, with the messages before it.
        """
        found: list[Frame] = []
        if self._ended:
            return found
        if self._rest:
            data, self._rest = self._rest + data, b""
        size = len(data)
        try:
            at = 0 if self._message is None else self._resume(self._message, data, 0, found)
            while at + 1 < size and (after := self._read(data, at, found)) != at:
                at = after
        except FrameError as error:
            self._ended, self._message = True, None
            error.before = found
            raise
        if at < size:
            self._rest = data[at:]
        return found

    def _read(self, data: bytes, at: int, found: list[Frame]) -> int:
        """Read the frame at a position; return the position after what was read of it.

        Nothing is read of a frame whose head is incomplete, nor of an incomplete control frame.
        """
        first, second, size = data[at], data[at + 1], len(data)
        if first not in self._allowed or second & _MASKED != self._masked:
            raise self._violation(first, second)
        length, start, control = second & 0x7F, at + 2, first & _CONTROL
        if length > 125:
            if control:
                raise self._violation(first, second)
            start += 2 if length == 126 else 8
            if start > size:
                return at
            length = _long_length(data[at + 2 : start])
        begin = start + 4 if self._masked else start
        end = begin + length
        if length > self._max and not control:
            raise self._too_big()
        if begin > size or (control and end > size):
            return at
        if end > size or first < _FIN or not (self._message is None or control):
            return self._part(self._message or self._begin(first), (first, start, begin, length), data, found)
        payload = _unmask(data[begin:end], data[start:begin]) if self._masked else data[begin:end]
        if first == _WHOLE_TEXT and payload.isascii():
            found.append(_make(Frame, (TEXT, payload)))
        else:
            found.append(self._whole(first, payload))
        return size if self._ended else end

    def _part(
        self, message: _Message, head: tuple[int, int, int, int], data: bytes, found: list[Frame]
    ) -> int:
        """Read what has arrived of a frame of the incomplete message; return the position after it.

        `head`: the frame's first byte, the positions of its mask and its payload, and the payload's length.
        """
        first, start, begin, length = head
        if length > self._max - len(message.data):
            raise self._too_big()
        message.missing, message.last, message.mask = length, first >= _FIN, data[start:begin]
        return self._resume(message, data, begin, found)

    def _too_big(self) -> FrameError:
        return FrameError(TOO_BIG, f"expected a message of at most {self._max} bytes, got more")

    def _violation(self, first: int, second: int) -> FrameError:
        """Return what is wrong with the first two bytes of a frame."""
        if first not in self._allowed:
            return _wrong_start(first, self._message is not None, self._inflate is not None)
        if second & _MASKED != self._masked:
            wanted, got = ("a mask", "none") if self._masked else ("no mask", "one")
            return FrameError(PROTOCOL_ERROR, f"expected a frame with {wanted}, got {got}")
        return FrameError(PROTOCOL_ERROR, "expected at most 125 bytes in a control frame, got more")

    def _begin(self, first: int) -> _Message:
        """Begin a message that is not complete."""
        self._allowed = _CONTINUATIONS
        self._message = _Message(first)
        return self._message

    def _resume(self, message: _Message, data: bytes, at: int, found: list[Frame]) -> int:
        """Read more of the incomplete message; return the position after what was read."""
        at = message.take(data, at)
        if message.last and not message.missing:
            self._message = None
            self._allowed = _STARTS if self._inflate is None else _DEFLATED_STARTS
            payload = self._inflated(message.kind, message.data) if message.deflated else bytes(message.data)
            found.append(_make(Frame, (message.kind, payload)))
        return at

    def _whole(self, first: int, payload: bytes) -> Frame:
        """Return a message that is one frame. Raises FrameError if its payload is not valid."""
        kind = first & 0x0F
        if first & _RSV1:
            payload = self._inflated(kind, payload)
        elif kind == TEXT:
            _text_tail(b"", payload, last=True)
        elif kind == CLOSE:
            _check_close(payload)
            self._ended, self._message = True, None
        return _make(Frame, (kind, payload))

    def _inflated(self, kind: int, payload: bytes | bytearray) -> bytes:
        """Return a message decompressed. Raises FrameError if it is not valid."""
        plain = cast(Inflater, self._inflate).message(payload, self._max)
        if kind == TEXT:
            _text_tail(b"", plain, last=True)
        return plain
