"""WebSocket frames: the rules of RFC 6455 one by one, and any bytes in any pieces."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameError,
    FrameReader,
    close_frame,
    close_reply,
    frame,
    read_close,
    text_frame,
)
from tests.gateway.wire.frame_parts import (
    EXAMPLES,
    HELD,
    LIMIT,
    MASK,
    Wire,
    feed_all,
    part,
    stored,
    wires,
)
from tests.gateway.wire.pieces import CUTS, bytewise, pieces

EURO = "€".encode()


def error_of(data: bytes, *, client: bool = False) -> FrameError:
    """Return the violation in the bytes of a peer."""
    with pytest.raises(FrameError) as caught:
        FrameReader(LIMIT, client=client).feed(data)
    return caught.value


def test_the_examples_of_the_standard() -> None:
    """The frames of RFC 6455, section 5.7, are written and read."""
    hello = b"\x81\x05Hello"
    assert text_frame(b"Hello") == frame(TEXT, b"Hello") == hello
    masked = bytes.fromhex("8185 37fa213d 7f9f4d5158")
    assert frame(TEXT, b"Hello", mask=MASK) == masked
    assert FrameReader(LIMIT).feed(masked) == [Frame(TEXT, b"Hello")]
    reader = FrameReader(LIMIT, client=True)
    assert reader.feed(hello + b"\x01\x03Hel\x80\x02lo\x89\x05Hello") == [
        *(Frame(TEXT, b"Hello"), Frame(TEXT, b"Hello"), Frame(PING, b"Hello"))
    ]
    assert frame(BINARY, bytes(256))[:4] == b"\x82\x7e\x01\x00"
    assert frame(BINARY, bytes(65_536))[:10] == b"\x82\x7f" + (65_536).to_bytes(8)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 4_095, 4_096, 65_535, 65_536, 100_001])
def test_every_form_of_a_length(size: int) -> None:
    """Texts of all sizes around a limit are read as they were written, on both sides."""
    payload = b"abc%" * (size // 4) + b"abcd"[: size % 4]
    assert text_frame(payload) == frame(TEXT, payload)
    assert FrameReader(size, client=True).feed(text_frame(payload)) == [Frame(TEXT, payload)]
    masked = frame(TEXT, payload, mask=MASK)
    assert FrameReader(size).feed(masked) == [Frame(TEXT, payload)]
    assert masked[-size:] != payload or size == 0


VIOLATIONS: dict[str, tuple[bytes, int, str]] = {
    "first reserved bit": (b"\xc1\x80" + MASK, 1002, "reserved"),
    "second reserved bit": (b"\xa1\x80" + MASK, 1002, "reserved"),
    "third reserved bit": (b"\x91\x80" + MASK, 1002, "reserved"),
    "reserved data frame": (b"\x83\x80" + MASK, 1002, "opcode, got 3"),
    "reserved control frame": (b"\x8b\x80" + MASK, 1002, "opcode, got 11"),
    "no mask": (b"\x81\x00", 1002, "mask"),
    "fragment of a ping": (b"\x09\x80" + MASK, 1002, "got a fragment"),
    "control frame of 126 bytes": (frame(PING, bytes(126), mask=MASK), 1002, "125"),
    "control frame of 65,536 bytes": (frame(CLOSE, bytes(65_536), mask=MASK), 1002, "125"),
    "control frame that is too long, without its length": (b"\x89\xfe", 1002, "125"),
    "continuation of nothing": (part(0, b"a"), 1002, "got a continuation"),
    "message within a message": (part(TEXT, b"a", last=False) + part(TEXT, b"b"), 1002, "another message"),
    "reserved bit within a message": (part(TEXT, b"a", last=False) + b"\xc0\x80", 1002, "reserved"),
    "2 bytes for a length of 125": (b"\x82\xfe\x00\x7d", 1002, "125 in 2"),
    "8 bytes for a length of 65,535": (b"\x82\xff" + (65_535).to_bytes(8), 1002, "65535 in 8"),
    "length of 64 bits": (b"\x82\xff" + (1 << 63).to_bytes(8), 1002, "63 bits"),
    "close with 1 byte": (frame(CLOSE, b"\x03", mask=MASK), 1002, "2 bytes"),
    "close with a reason that is not UTF-8": (frame(CLOSE, b"\x03\xe8\xff", mask=MASK), 1007, "UTF-8"),
    "close with a reason that is cut off": (frame(CLOSE, b"\x03\xe8\xe2", mask=MASK), 1007, "UTF-8"),
    "text that is not UTF-8": (part(TEXT, b"a\xff"), 1007, "UTF-8"),
    "surrogate in a text": (part(TEXT, b"\xed\xa0\x80"), 1007, "UTF-8"),
    "text that is cut off": (part(TEXT, EURO[:2]), 1007, "UTF-8"),
    "fragments that are cut off": (
        part(TEXT, EURO[:1], last=False) + part(0, EURO[1:2]) + part(TEXT, b""),
        *(1007, "UTF-8"),
    ),
    "head of a frame that is too long": (part(BINARY, bytes(LIMIT + 1))[:4], 1009, "1000 bytes"),
    "head of a huge frame": (b"\x82\xff" + ((1 << 63) - 1).to_bytes(8), 1009, "1000 bytes"),
    "head of a fragment that is too much": (
        part(BINARY, bytes(LIMIT), last=False) + part(0, b"1")[:6],
        *(1009, "1000 bytes"),
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violations(name: str) -> None:
    """Each is found by the end of its bytes, in one piece and byte by byte, and says what was expected."""
    data, code, words = VIOLATIONS[name]
    error = error_of(data)
    assert (error.close_code, words in error.reason) == (code, True), error.reason
    assert len(error.reason.encode()) <= 123
    with pytest.raises(FrameError) as caught:
        feed_all(FrameReader(LIMIT), bytewise(data))
    assert (caught.value.close_code, caught.value.reason) == (code, error.reason)


def test_a_server_must_not_mask() -> None:
    """A client refuses a masked frame."""
    error = error_of(frame(TEXT, b"a", mask=MASK), client=True)
    assert (error.close_code, error.reason) == (1002, "expected a frame with no mask, got one")


def test_messages_before_a_violation_are_delivered() -> None:
    """The error has the messages that were complete before it, and the reader then ignores everything."""
    reader = FrameReader(LIMIT)
    good = part(TEXT, b"a") + part(BINARY, b"b", last=False) + part(PING, b"c")
    with pytest.raises(FrameError) as caught:
        reader.feed(good + part(TEXT, b"d"))
    assert caught.value.before == [Frame(TEXT, b"a"), Frame(PING, b"c")]
    assert reader.feed(good) == []
    assert stored(reader) == 0


def test_nothing_is_read_after_a_close() -> None:
    """Frames after a close are ignored, valid or not, and so is the message that it interrupts."""
    reader = FrameReader(LIMIT)
    close = close_frame(1001, "bye", mask=MASK)
    data = part(TEXT, b"a", last=False) + close + part(0, b"b") + close + b"\xff\xff"
    assert reader.feed(data) == [Frame(CLOSE, b"\x03\xe9bye")]
    assert reader.feed(part(TEXT, b"a")) == []
    assert stored(reader) == 0


def test_close_codes() -> None:
    """Those of the standard and its registry are valid, and those of libraries and applications."""
    valid = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3_000, 5_000)}
    found = set()
    for code in range(65_536):
        try:
            FrameReader(LIMIT).feed(close_frame(code, mask=MASK))
        except FrameError as error:
            assert error.close_code == 1002
        else:
            found.add(code)
    assert found == valid


@pytest.mark.parametrize(
    ("payload", "read", "reply"),
    [
        (b"", (1005, ""), b"\x03\xe8"),
        (b"\x03\xe8", (1000, ""), b"\x03\xe8"),
        (b"\x0f\xa0a\xc3\xa4", (4000, "aä"), b"\x0f\xa0"),
    ],
)
def test_replies_to_a_close(payload: bytes, read: tuple[int, str], reply: bytes) -> None:
    """The reply has the code of the close, without its reason; 1000 if there is none."""
    assert FrameReader(LIMIT).feed(frame(CLOSE, payload, mask=MASK)) == [Frame(CLOSE, payload)]
    assert read_close(payload) == read
    assert close_reply(payload) == frame(CLOSE, reply)
    assert close_reply(payload, mask=MASK) == frame(CLOSE, reply, mask=MASK)


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("a" * 123, "a" * 123),
        ("a" * 124, "a" * 123),
        ("ä" * 62, "ä" * 61),
        ("a" + "ä" * 61, "a" + "ä" * 61),
        ("€" * 100, "€" * 41),
        ("a" * 120 + "😀", "a" * 120),
        ("\ud800", "?"),
    ],
)
def test_reasons_are_cut_after_a_character(reason: str, sent: str) -> None:
    """A reason has at most 123 bytes, which are UTF-8."""
    (found,) = FrameReader(LIMIT, client=True).feed(close_frame(4400, reason))
    assert read_close(found.payload) == (4400, sent)


def test_utf8_is_checked_as_it_arrives() -> None:
    """A text fails with the first byte that cannot be UTF-8, within a frame and between fragments."""
    text = "κόσμε".encode() + b"\xf4\x90\x80\x80edited"  # beyond the last code point, as Autobahn's 6.4
    wrong = text.index(b"\x90")
    fragments = [part(0 if at else TEXT, text[at : at + 1], last=False) for at in range(len(text))]
    for data, place in ((part(TEXT, text), 6 + wrong), (b"".join(fragments), 7 * wrong + 6)):
        reader = FrameReader(LIMIT)
        assert feed_all(reader, bytewise(data[:place])) == []
        with pytest.raises(FrameError, match="1007"):
            reader.feed(data[place : place + 1])


def test_a_large_payload_is_copied_once() -> None:
    """A message in many pieces grows in one buffer; nothing else of it is stored and copied again."""
    payload = bytes(range(256)) * 400
    data = part(BINARY, payload)
    reader, buffers, found = FrameReader(len(payload)), set(), list[Frame]()
    for at in range(0, len(data), 7):
        found += reader.feed(data[at : at + 7])
        assert len(reader._rest) < 14
        if reader._message:
            buffers.add(id(reader._message.data))
    assert found == [Frame(BINARY, payload)]
    assert len(buffers) == 1


def calls_of(run: Callable[[], object]) -> int:
    """Return the number of functions that are called."""
    count = 0

    def trace(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(trace)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def test_many_frames_at_once_take_linear_time() -> None:
    """Each of thousands of small frames costs the same number of calls."""
    few, many = (part(TEXT, b"hello") * count for count in (1_000, 4_000))
    reader = FrameReader(LIMIT)
    assert len(reader.feed(many)) == 4_000
    assert calls_of(lambda: reader.feed(many)) <= 4 * calls_of(lambda: reader.feed(few))


def test_an_idle_reader_is_small() -> None:
    """It has 88 bytes, and what it refers to is shared, also after messages."""
    reader = FrameReader(LIMIT)
    fresh = [getattr(reader, name) for name in FrameReader.__slots__]
    feed_all(reader, bytewise(part(TEXT, b"a", last=False) + part(PING, b"") + part(0, b"b")))
    assert all(getattr(reader, name) is one for name, one in zip(FrameReader.__slots__, fresh, strict=True))
    assert sys.getsizeof(reader) <= 88


@EXAMPLES
@given(st.data(), st.booleans(), CUTS)
def test_any_split_gives_the_same_messages(data: st.DataObject, client: bool, cuts: list[int]) -> None:
    """What was written is read, wherever the bytes are cut, and nothing of it is stored in the end."""
    wire: Wire = data.draw(wires(client=client))
    reader = FrameReader(LIMIT, client=client)
    assert feed_all(reader, pieces(wire.data, cuts)) == wire.messages
    assert stored(reader) == 0


HEADS = st.builds(
    lambda first, second, rest: bytes((first, second)) + rest,
    st.sampled_from((0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89)) | st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=140),
)


@EXAMPLES
@given(st.data(), st.booleans(), st.lists(HEADS | st.binary(max_size=40), max_size=12))
def test_random_bytes(data: st.DataObject, client: bool, every: list[bytes]) -> None:
    """They raise nothing but FrameError, and the reader never stores more than a message and a frame head."""
    wire: Wire = data.draw(wires(client=client))
    reader = FrameReader(LIMIT, client=client)
    try:
        for piece in (wire.data, *every):
            for message in reader.feed(piece):
                assert len(message.payload) <= LIMIT
                if message.kind == TEXT:
                    message.payload.decode()
            assert stored(reader) <= LIMIT + HELD
            assert reader._message is None or sys.getsizeof(reader._message.data) <= 1.125 * LIMIT + 100
    except FrameError as error:
        assert error.close_code in (1002, 1007, 1009)
        assert stored(reader) == 0


def test_a_control_frame_is_stored_until_it_is_complete() -> None:
    """The longest has 131 bytes, and arrives byte by byte within a message."""
    reader = FrameReader(LIMIT)
    reader.feed(part(TEXT, b"a", last=False))
    data = part(PONG, bytes(125))
    found = [(len(reader.feed(data[at : at + 1])), stored(reader)) for at in range(len(data))]
    assert found == [*((0, 1 + size) for size in range(1, HELD)), (1, 1)]
