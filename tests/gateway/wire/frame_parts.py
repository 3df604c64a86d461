"""What the tests of WebSocket frames share: fragments, sequences of frames, and readers that get pieces."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gateway.wire.frames import BINARY, PING, PONG, TEXT, Frame, FrameReader, frame

EXAMPLES = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
MASK = b"\x37\xfa\x21\x3d"  # of the examples in RFC 6455, 5.7
LIMIT = 1_000  # bytes of a message
HELD = 131  # bytes of an incomplete control frame: the most that a reader stores beside a message


class Wire(NamedTuple):
    """The bytes of some frames, and the messages in them."""

    data: bytes
    messages: list[Frame]


def part(opcode: int, payload: bytes, *, last: bool = True, mask: bytes | None = MASK) -> bytes:
    """Return a frame, which is a fragment unless it is the last one. `opcode`: 0 for a continuation."""
    whole = frame(opcode, payload, mask=mask)
    return whole if last else bytes((whole[0] & 0x7F,)) + whole[1:]


def feed_all(reader: FrameReader, every: Iterable[bytes]) -> list[Frame]:
    """Return the messages in all pieces."""
    return [message for piece in every for message in reader.feed(piece)]


def stored(reader: FrameReader) -> int:
    """Return the bytes that a reader stores of what has arrived."""
    return len(reader._rest) + (len(reader._message.data) if reader._message else 0)


MASKS = st.binary(min_size=4, max_size=4)
TEXTS = st.text(max_size=60).map(str.encode)
SIZED = st.sampled_from((0, 1, 124, 125, 126, 127, 128, 500)).map(lambda size: b"\xc3\xa4" * (size // 2))
DATA = st.tuples(st.just(TEXT), TEXTS | SIZED) | st.tuples(st.just(BINARY), st.binary(max_size=300))
CONTROLS = st.tuples(st.sampled_from((PING, PONG)), st.binary(max_size=125))


@st.composite
def wires(draw: st.DrawFn, *, client: bool) -> Wire:
    """Frames of a peer: whole and fragmented messages, with control frames between any two of them.

    `client`: a client reads them, so they are not masked.
    """
    data, messages = bytearray(), list[Frame]()
    for kind, payload in draw(st.lists(DATA | CONTROLS, max_size=5)):
        cuts = [] if kind >= PING else draw(st.lists(st.integers(0, len(payload)), max_size=3))
        ends = [0, *sorted(cuts), len(payload)]
        for number, (begin, end) in enumerate(pairwise(ends)):
            mask = None if client else draw(MASKS)
            last = number == len(ends) - 2
            data += part(0 if number else kind, payload[begin:end], last=last, mask=mask)
            if not last and draw(st.booleans()):
                between = Frame(*draw(CONTROLS))
                data += frame(*between, mask=mask)
                messages.append(between)
        messages.append(Frame(kind, payload))
    return Wire(bytes(data), messages)
