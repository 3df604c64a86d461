"""Bytes in pieces, as a network delivers them, and the memory that reading them takes."""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies

from gateway.wire.stream_error import StreamError

CUTS = strategies.lists(strategies.integers(0, 200), max_size=12)
"""Positions at which bytes are cut."""


def pieces(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """Yield the bytes in pieces, some of which may be empty."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        yield data[begin:end]


def bytewise(data: bytes) -> Iterator[bytes]:
    """Yield the bytes one by one."""
    return (data[at : at + 1] for at in range(len(data)))


def read(feed: Callable[[bytes], Sequence[Any]], data: Iterable[bytes]) -> list[Any]:
    """Return what a reader reads; the last entry is the text of its StreamError, if it raises one."""
    found: list[Any] = []
    try:
        for piece in data:
            found += feed(piece)
    except StreamError as error:
        found += [*error.before, str(error)]
    return found


def peak(work: Callable[[], object]) -> int:
    """Return the most bytes that a function allocates at any time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
