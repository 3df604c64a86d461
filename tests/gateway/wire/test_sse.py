"""Server-sent events: every split of the bytes gives what the specification says, and memory is bounded."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from gateway.wire.sse import SseEvent, SseReader, comment, event
from tests.gateway.wire.pieces import CUTS, bytewise, peak, pieces, read

BITS = (b"data", b"event", b"id", b"retry", b":", b": ", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"x", b"{}",
        b"\0", b"12", "é".encode(), b"\xef\xbb\xbf", b"data: a\n", b"event: n\r\n", b"id: 7\r")  # fmt: skip
STREAMS = some.lists(some.sampled_from(BITS), max_size=40).map(b"".join)


def specified(data: bytes) -> list[SseEvent]:
    """Return the events as WHATWG HTML 9.2.6 says, from a whole stream."""
    lines = re.split(rb"\r\n|\n|\r", data.removeprefix(b"\xef\xbb\xbf"))[:-1]
    found: list[SseEvent] = []
    name = body = last = b""
    for line in lines:
        if not line:
            if body:
                found.append(SseEvent(name or b"message", body[:-1], last or None))
            name = body = b""
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if field == b"event":
            name = value
        elif field == b"data":
            body += value + b"\n"
        elif field == b"id" and b"\0" not in value:
            last = value
    return found


@given(STREAMS, CUTS)
@example(b"data: a\r\n\r\ndata: b\n\n", [8, 10])
@example(b"\xef\xbb\xbf\ndata: a\n\n", [1, 2])
def test_any_split_gives_the_events_of_the_specification(data: bytes, cuts: list[int]) -> None:
    """Also with carriage returns alone, and a line end that is cut in two."""
    expected = specified(data)
    assert read(SseReader(10_000).feed, [data]) == expected
    assert read(SseReader(10_000).feed, pieces(data, cuts)) == expected
    assert read(SseReader(10_000).feed, bytewise(data)) == expected


@given(STREAMS, CUTS, some.integers(1, 30))
def test_any_split_exceeds_the_limit_alike(data: bytes, cuts: list[int], most: int) -> None:
    """The events before the violation are returned, whatever arrived with it."""
    whole = read(SseReader(most).feed, [data])
    assert read(SseReader(most).feed, pieces(data, cuts)) == whole
    assert read(SseReader(most).feed, bytewise(data)) == whole
    assert all(len(one.data) <= most for one in whole if isinstance(one, SseEvent))


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [(b"message", b"YHOO\n+2\n10", None)]),
        (b": a comment\n\ndata: first\nid: 1\n\n", [(b"message", b"first", b"1")]),
        (b"id: 1\ndata: a\n\ndata: b\n\n", [(b"message", b"a", b"1"), (b"message", b"b", b"1")]),
        (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [(b"message", b"a", b"1"), (b"message", b"b", None)]),
        (b"id: 1\0\ndata: a\n\n", [(b"message", b"a", None)]),
        (b"id: 1\n\ndata: a\n\n", [(b"message", b"a", b"1")]),
        (b"data\n\ndata\ndata\n\ndata:", [(b"message", b"", None), (b"message", b"\n", None)]),
        (b"data:test\n\ndata:  test\n\n", [(b"message", b"test", None), (b"message", b" test", None)]),
        (b"event: next\n\ndata: a\n\n", [(b"message", b"a", None)]),
        (b"DATA: a\nfoo: b\n\n", []),
        (b"data: a\n", []),
    ],
)
def test_the_examples_of_the_specification(
    data: bytes, events: list[tuple[bytes, bytes, bytes | None]]
) -> None:
    """Those of the specification's text, and of its rules for ids."""
    assert read(SseReader(100).feed, [data]) == events


@pytest.mark.parametrize(
    ("value", "retry"), [(b"250", 250), (b"", None), (b"-1", None), (b"1.5", None), (b"9" * 5_000, None)]
)
def test_the_time_to_wait(value: bytes, retry: int | None) -> None:
    """Only digits count, and no number that no clock can count."""
    reader = SseReader(10_000)
    assert reader.feed(b"retry: %b\n\n" % value) == []
    assert reader.retry == retry


def test_an_event_without_data() -> None:
    """It counts if its name is one of those that count without data."""
    reader = SseReader(100, bare=frozenset({b"complete"}))
    assert reader.feed(b"event: next\n\nevent: complete\n\n") == [(b"complete", b"", None)]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: %b\n" % (b"x" * 101), []),
        (b"x" * 117, []),
        (b":" + b"x" * 1_000_000, []),
        (b"data: 1\n\n" + b"data: 12345678\n" * 20, [SseEvent(b"message", b"1", None)]),
        (b"data\n" * 200, []),
    ],
)
def test_what_is_too_long(data: bytes, events: list[SseEvent]) -> None:
    """A line, also one without an end or a comment, and the data of one event."""
    *before, error = read(SseReader(100).feed, [data, b"x" * 50, b"\n\n"])
    assert before == events
    assert error.startswith("expected ")


def test_memory_is_bounded_however_small_the_pieces_are() -> None:
    """Pieces of one byte take no more than a few times the limit."""
    reader = SseReader(100_000)
    data = b"data: " + b"x" * 99_000
    assert peak(lambda: read(reader.feed, bytewise(data))) < 300_000
    assert len(reader.feed(b"\n\n")[0].data) == 99_000


@given(some.binary(max_size=60), some.one_of(some.none(), some.binary(max_size=20)))
def test_an_event_that_was_written_is_read(data: bytes, id: bytes | None) -> None:
    """Line breaks, which JSON has between its tokens only, become spaces; an id that can't be sent is
    omitted.
    """
    (found,) = SseReader(1_000).feed(event(b"next", data, id) + comment())
    sent = id if id is not None and not set(b"\r\n\0") & set(id) else None
    assert found == (b"next", data.replace(b"\r", b" ").replace(b"\n", b" "), sent or None)


def test_how_events_are_written() -> None:
    """Always with one line of data, since browsers ignore events without one."""
    assert event(b"complete", b"") == b"event: complete\ndata: \n\n"
    assert event(b"next", b'{\n"a":\r\n1}', b"7") == b'event: next\nid: 7\ndata: { "a":  1}\n\n'
    assert SseReader(100).feed(comment()) == []
