"""Compressed WebSocket messages: negotiation, the examples of RFC 7692, and bombs."""

import re
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.deflate import MAX_STREAMS, Agreement, Deflate, Inflate, negotiate
from gateway.wire.frames import BINARY, PING, TEXT, Frame, FrameError, FrameReader, frame
from tests.gateway.wire.frame_parts import EXAMPLES, LIMIT, MASK, feed_all
from tests.gateway.wire.pieces import CUTS, bytewise, peak, pieces

NAME = "permessage-deflate"
ALONE = f"{NAME}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits="
OFFERS = {
    NAME: ALONE + "12",
    f"{NAME}; client_max_window_bits": ALONE + "12; client_max_window_bits=12",
    f"{NAME};client_max_window_bits=15": ALONE + "12; client_max_window_bits=12",
    f"{NAME}; client_max_window_bits=8": ALONE + "12; client_max_window_bits=8",
    f'{NAME}; client_max_window_bits="9"': ALONE + "12; client_max_window_bits=9",
    f"{NAME} ; server_max_window_bits = 10": ALONE + "10",
    f"{NAME}; server_max_window_bits=15": ALONE + "12",
    f"{NAME}; server_no_context_takeover; client_no_context_takeover": ALONE + "12",
    f"x-webkit-deflate-frame, {NAME}": ALONE + "12",
    f"{NAME}; server_max_window_bits=8, {NAME}": ALONE + "12",
    f"{NAME}; unknown, {NAME}; client_max_window_bits": ALONE + "12; client_max_window_bits=12",
    f", ,{NAME},": ALONE + "12",
}
DECLINED = (
    "",
    ",",
    "x-webkit-deflate-frame",
    f"{NAME}; unknown",
    f"{NAME}; unknown=1",
    f"{NAME}; server_no_context_takeover=1",
    f"{NAME}; client_no_context_takeover=true",
    f"{NAME}; server_max_window_bits",
    f"{NAME}; server_max_window_bits=8",
    f"{NAME}; server_max_window_bits=16",
    f"{NAME}; server_max_window_bits=012",
    f"{NAME}; client_max_window_bits=7",
    f"{NAME}; client_max_window_bits=+9",
    f"{NAME}; client_max_window_bits=\u0669",
    f"{NAME}; client_max_window_bits; client_max_window_bits",
    f"{NAME}; client_max_window_bits=",
    f"{NAME};",
    f"{NAME}; =1",
    f'{NAME}; server_max_window_bits="1 0"',
    f"{NAME} client_max_window_bits",
    f"{NAME}, /",
    f"{NAME}\r\n",
    f"{NAME}2",
)


def agreed(offers: str, **settings: Any) -> Agreement:
    """Return the agreement on offers that are acceptable."""
    found = negotiate(offers, **settings)
    assert found is not None
    return found


@pytest.mark.parametrize("offers", OFFERS)
def test_offers_are_accepted(offers: str) -> None:
    """The first acceptable offer is; no window has more than 12 bits if the client can limit its own."""
    assert agreed(offers).answer.decode() == OFFERS[offers]


@pytest.mark.parametrize("offers", DECLINED)
def test_offers_are_declined(offers: str) -> None:
    """Unknown, repeated and invalid parameters are, and everything in a malformed header."""
    assert negotiate(offers) is None


def test_contexts_must_be_allowed() -> None:
    """Both sides may have a context if the server allows it, unless the client does not want it."""
    bits = "client_max_window_bits"
    both = agreed(f"{NAME}; {bits}", window=10, keep_context=True)
    assert both.answer == b"permessage-deflate; server_max_window_bits=10; client_max_window_bits=10"
    own = agreed(f"{NAME}; {bits}; client_no_context_takeover", keep_context=True)
    assert (own.server_context, own.client_context) == (True, False)
    peers = agreed(f"{NAME}; {bits}; server_no_context_takeover", keep_context=True)
    assert (peers.server_context, peers.client_context) == (False, True)
    unlimited = agreed(NAME, keep_context=True)
    assert (unlimited.client_window, unlimited.client_context) == (15, False)


def test_connections_without_a_context_share_their_objects() -> None:
    """Compression stores nothing for a connection, unless there are contexts."""
    first, second = agreed(NAME), agreed(NAME)
    assert first.deflate() is second.deflate()
    assert first.inflate() is second.inflate()
    bits = f"{NAME}; client_max_window_bits"
    own, other = agreed(bits, keep_context=True), agreed(bits, keep_context=True)
    assert own.deflate() is not other.deflate()
    assert own.inflate() is not other.inflate()
    deflate, inflate = own.deflate(), own.inflate()
    long, short = (deflate.message(b"Hello") for _ in range(2))
    assert len(short) < len(long)
    assert [inflate.message(one, LIMIT) for one in (long, short)] == [b"Hello", b"Hello"]


@pytest.mark.parametrize(
    "payload",
    [
        "f2 48 cd c9 c9 07 00",
        "00 05 00 fa ff 48 65 6c 6c 6f 00",  # a block that is not compressed
        "f3 48 cd c9 c9 07 00 00",  # the end of a stream
        "f3 48 cd c9 c9 07 00",  # likewise, without the empty block after it
        "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",  # two blocks
    ],
)
def test_the_examples_of_the_standard(payload: str) -> None:
    """Each is read as Hello (7.2.3), again and again with a context, whole and in pieces."""
    data = frame(TEXT, bytes.fromhex(payload), mask=MASK, rsv1=True)
    for keep in (False, True):
        reader = FrameReader(LIMIT, inflate=Inflate(keep_context=keep))
        assert feed_all(reader, [data, data, *bytewise(data)]) == [Frame(TEXT, b"Hello")] * 3


def test_messages_with_a_context_refer_to_earlier_ones() -> None:
    """The second Hello is the example of 7.2.3.2, also after the end of a stream."""
    deflate = Deflate(15, keep_context=True)
    assert deflate.message(b"Hello") == bytes.fromhex("f2 48 cd c9 c9 07 00")
    second = deflate.message(b"Hello")
    assert second == bytes.fromhex("f2 00 11 00 00")
    for first in ("f2 48 cd c9 c9 07 00", "f3 48 cd c9 c9 07 00 00"):
        inflate = Inflate(keep_context=True)
        assert inflate.message(bytes.fromhex(first), LIMIT) == b"Hello"
        assert inflate.message(second, LIMIT) == b"Hello"
    with pytest.raises(FrameError, match="1002"):
        Inflate().message(second, LIMIT)


def test_empty_messages() -> None:
    """An empty message is one zero byte, also twice in a context."""
    deflate, inflate = Deflate(keep_context=True), Inflate(keep_context=True)
    for text in (b"", b"a", b"", b"", b"a"):
        compressed = deflate.message(text)
        assert compressed == b"\x00" or text
        assert inflate.message(compressed, LIMIT) == text


@EXAMPLES
@given(st.data(), st.integers(9, 15), st.booleans(), CUTS)
def test_what_is_compressed_is_read(data: st.DataObject, window: int, keep: bool, cuts: list[int]) -> None:
    """With windows of every size, with a context and without, wherever the bytes are cut."""
    deflate, inflate = Deflate(window, keep_context=keep), Inflate(window, keep_context=keep)
    texts = st.text(max_size=200).map(str.encode)
    messages = data.draw(st.lists(texts | st.sampled_from((b"Hello" * 100, b"")), max_size=6))
    wire = b"".join(frame(TEXT, deflate.message(one), mask=MASK, rsv1=True) for one in messages)
    reader = FrameReader(LIMIT, inflate=inflate)
    assert feed_all(reader, pieces(wire, cuts)) == [Frame(TEXT, one) for one in messages]


def read(payload: bytes, kind: int = TEXT) -> FrameError:
    """Return the violation in a compressed message."""
    with pytest.raises(FrameError) as caught:
        FrameReader(LIMIT, inflate=Inflate()).feed(frame(kind, payload, mask=MASK, rsv1=True))
    return caught.value


def test_a_bomb_is_not_decompressed() -> None:
    """A few bytes that become 10 MB are refused; what is allocated depends on the limit."""
    bomb = Deflate(15).message(bytes(10_000_000))
    inflate = Inflate(15)

    def explode() -> None:
        with pytest.raises(FrameError, match="1009: expected a message of at most 20000 bytes"):
            inflate.message(bomb, 20_000)

    assert peak(explode) < 100_000
    assert len(inflate.message(bomb, 10_000_000)) == 10_000_000
    with pytest.raises(FrameError, match="1009"):
        inflate.message(bomb, 9_999_999)


def test_a_bomb_of_streams_is_not_decompressed() -> None:
    """The limit holds for all streams of a message together, and their number is limited."""
    one = zlib.compressobj(wbits=-12)
    stream = one.compress(b"a" * 400) + one.flush()
    inflate = Inflate()
    assert inflate.message(stream * 2 + b"\x00", 800) == b"a" * 800
    assert inflate.message(stream * (MAX_STREAMS - 1), 10_000) == b"a" * 400 * (MAX_STREAMS - 1)
    for limit in (0, 399, 400, 799):
        with pytest.raises(FrameError, match="1009"):
            inflate.message(stream * 2, limit)
    with pytest.raises(FrameError, match=f"1002: expected at most {MAX_STREAMS} DEFLATE streams"):
        inflate.message(stream * (MAX_STREAMS + 1), 10_000)


def test_violations() -> None:
    """Data that are not compressed, a text that is not UTF-8, and compressed frames that must not be."""
    assert read(b"\xff\xff").close_code == 1002
    assert read(Deflate().message(b"\xff")).close_code == 1007
    assert read(Deflate().message("€".encode()[:2])).close_code == 1007
    assert read(b"", PING).close_code == 1002
    assert read(Deflate().message(bytes(LIMIT + 1)), BINARY).close_code == 1009
    reader = FrameReader(LIMIT, inflate=Inflate())
    with pytest.raises(FrameError, match="1002"):
        reader.feed(frame(TEXT, b"", mask=MASK)[:1].replace(b"\x81", b"\x01") + b"\x80" + MASK + b"\xc0\x80")


def test_compression_of_single_messages() -> None:
    """A message may come without compression although it was agreed, also between fragments of others."""
    reader = FrameReader(LIMIT, inflate=Inflate())
    data = Deflate().message(b"compressed")
    first, rest = frame(TEXT, data[:4], mask=MASK, rsv1=True), frame(0, data[4:], mask=MASK)
    wire = frame(TEXT, b"plain", mask=MASK) + bytes((first[0] & 0x7F,)) + first[1:] + rest
    assert reader.feed(wire) == [Frame(TEXT, b"plain"), Frame(TEXT, b"compressed")]


@EXAMPLES
@given(st.lists(st.binary(max_size=60), max_size=4), st.booleans(), st.integers(0, 50))
def test_random_payloads(every: list[bytes], keep: bool, limit: int) -> None:
    """They raise nothing but FrameError, and never become longer than the limit."""
    inflate = Inflate(keep_context=keep)
    for payload in every:
        try:
            assert len(inflate.message(payload, limit)) <= limit
        except FrameError as error:
            assert error.close_code in (1002, 1009)
            break


NAMES = (NAME, "server_max_window_bits", "client_max_window_bits", "client_no_context_takeover")
WORDS = st.sampled_from((*NAMES, "=", ";", ",", " ", '"', "8", "9", "12", "16", "é", "\r\n"))


@EXAMPLES
@given(st.lists(WORDS | st.text(max_size=3), max_size=20).map("".join), st.integers(9, 15), st.booleans())
def test_random_offers(offers: str, window: int, keep: bool) -> None:
    """They raise nothing, and an answer has no window that is larger than allowed."""
    found = negotiate(offers, window, keep_context=keep)
    if found is not None:
        bits = [int(one) for one in re.findall("=([0-9]+)", found.answer.decode())]
        assert found.server_window in bits
        assert all(8 <= one <= window for one in bits)
        assert found.client_window <= window or not found.client_context
