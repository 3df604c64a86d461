"""The error of the readers of streams over HTTP and of the messages of GraphQL over WebSocket."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class StreamError(Exception):
    """The peer broke the protocol; the message has what was expected and what was found.

    `before`: what the reader had read completely before the violation, in the same call; handle it first.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.before: Sequence[Any] = ()


def each(feed: Callable[[bytes], Sequence[T]], data: bytes) -> Iterator[T]:
    """Yield what a reader reads in its next bytes; only then raise its StreamError, if there is one."""
    try:
        found = feed(data)
    except StreamError as error:
        yield from error.before
        raise
    yield from found
