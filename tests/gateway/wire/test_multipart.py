"""Streams of parts: every split of the bytes gives the same parts, and memory is bounded."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from gateway.wire.multipart import MAX_HEADERS, MultipartReader, boundary_of, end, part, start
from tests.gateway.wire.pieces import CUTS, bytewise, peak, pieces, read

BITS = (b"--b", b"\r\n--b", b"\n--b", b"--b--", b"--", b"\r\n", b"\n", b"\r\n\r\n", b"\r", b"-", b"b",
        b"content-type: x", b"{}", b' {"a":"--b"}', b"\0")  # fmt: skip
STREAMS = some.lists(some.sampled_from(BITS), max_size=40).map(b"".join)
BODIES = (b"{}", b'{"payload":{"data":{"x":"--graphql\\r\\n--graphql--"}}}', b'{\r\n  "payload": null\r\n}')


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/mixed; boundary=graphql", b"graphql"),
        ('multipart/mixed;boundary="graphql";subscriptionSpec="1.0"', b"graphql"),
        ("multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json", b"graphql"),
        ('Multipart/Mixed ; a=b; Boundary = "-"', b"-"),
        (r'multipart/mixed; boundary="a\"b;c"', b'a"b;c'),
        ("multipart/mixed", None),
        ("multipart/mixed; boundary=", None),
        ("multipart/mixed; boundary=" + "x" * 71, None),
        ("multipart/form-data; boundary=x", None),
        ("", None),
    ],
)
def test_boundaries(content_type: str, boundary: bytes | None) -> None:
    """A boundary in quotes or without, after other parameters, and Strawberry's Content-Type."""
    assert boundary_of(content_type) == boundary


@given(STREAMS, CUTS)
@example(b"--b\r\n\r\n\r\n--b--", [3, 8])
def test_any_split_gives_the_same_parts(data: bytes, cuts: list[int]) -> None:
    """Also of bytes that are no valid stream."""
    whole, parted, single = (MultipartReader(b"b", 10_000) for _ in range(3))
    found = read(whole.feed, [data])
    assert read(parted.feed, pieces(data, cuts)) == found
    assert read(single.feed, bytewise(data)) == found
    assert whole.ended == parted.ended == single.ended


@given(STREAMS, CUTS, some.integers(1, 30))
def test_any_split_exceeds_the_limit_alike(data: bytes, cuts: list[int], most: int) -> None:
    """The parts before the violation are returned, whatever arrived with it."""
    whole = read(MultipartReader(b"b", most).feed, [data])
    assert read(MultipartReader(b"b", most).feed, pieces(data, cuts)) == whole
    assert read(MultipartReader(b"b", most).feed, bytewise(data)) == whole


@given(some.lists(some.sampled_from(BODIES)), CUTS)
def test_parts_that_were_written_are_read(bodies: list[bytes], cuts: list[int]) -> None:
    """Whatever JSON is in them."""
    reader = MultipartReader(b"graphql", 1_000)
    data = start() + b"".join(map(part, bodies)) + end()
    assert read(reader.feed, pieces(data, cuts)) == bodies
    assert reader.ended
    assert reader.feed(part(b"{}")) == []


def test_each_part_is_complete_at_once() -> None:
    """Its delimiter comes with it, and the end is known without waiting for a line break."""
    reader = MultipartReader(b"graphql", 1_000)
    assert reader.feed(start()) == []
    assert reader.feed(part(b"1")) == [b"1"]
    assert not reader.ended
    assert reader.feed(end()[:2]) == []
    assert reader.ended


@pytest.mark.parametrize(
    ("data", "parts", "ended"),
    [
        (b"a preamble\r\n--b\r\n\r\n1\r\n--b--\r\nan epilogue", [b"1"], True),
        (b"--b\r\ncontent-type: x\r\na: b\r\n\r\n1\r\n--b--", [b"1"], True),
        (b"--b \t\r\n\r\n1\r\n--b  \r\n\r\n2\r\n--b--", [b"1", b"2"], True),
        (b"--b\n\n1\n--b\n\n2\n--b--\n", [b"1", b"2"], True),
        (b"--b\r\n\r\n--b\r\n\r\n\r\n--b--", [b"", b""], True),
        (b"--b\r\n\r\n1--b\r\n--b--", [b"1--b"], True),
        (b"--b\r\n\r\n1\r\n--b\r\n--b--\r\n", [b"1"], True),
        (b"--b\r\n\r\n1\r\n--b\r\n", [b"1"], False),
        (b"--b\r\n\r\n1\r\n", [], False),
        (b"x--b\r\n\r\n1\r\n--b--", [], True),
        (b"no boundary at all", [], False),
        (b"", [], False),
    ],
)
def test_streams(data: bytes, parts: list[bytes], ended: bool) -> None:
    """Preamble, headers, padding, empty parts, line feeds alone, and the delimiter that Strawberry
    repeats.
    """
    reader = MultipartReader(b"b", 100)
    assert read(reader.feed, bytewise(data)) == parts
    assert reader.ended is ended


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 105,
        b"--b\r\n\r\n" + b"x" * 101 + b"\r\n--b",
        b"--b\r\n\r\n" + b"x" * 109,
        b"--b" + b" " * MAX_HEADERS + b" ",
        b"--b\r\n" + b"x" * MAX_HEADERS + b"\r\n",
        b"--b\r\n" + b"x: y\r\n" * (MAX_HEADERS // 5),
    ],
)
def test_what_is_too_long(data: bytes) -> None:
    """A preamble, a body with or without an end, padding, and headers."""
    (error,) = read(MultipartReader(b"b", 100).feed, [data])
    assert error.startswith("expected ")


def test_memory_is_bounded_however_small_the_pieces_are() -> None:
    """Pieces of one byte take no more than a few times the limit."""
    reader = MultipartReader(b"b", 100_000)
    data = b"--b\r\n\r\n" + b"x" * 99_000
    assert peak(lambda: read(reader.feed, bytewise(data))) < 300_000
    assert len(reader.feed(b"\r\n--b")[0]) == 99_000
