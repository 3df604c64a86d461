"""Cursors: the positions in several Redis streams as one opaque text.

Example: the positions 1700000000000-3 and 0-0 of two streams are `1.18bcfe56800-3.0-0`, where 1 is the
version of the layout and the milliseconds are hexadecimal numbers.
"""

from collections.abc import Sequence

VERSION = "1"
START = (0, 0)
Position = tuple[int, int]
"""The id of an entry of a stream: milliseconds, and a number."""


class InvalidCursor(ValueError):
    """A text that is no cursor for these streams."""


def read_id(text: bytes) -> Position:
    """Return the id of a stream's entry. Raises ValueError."""
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number or b"0")


def write_id(position: Position) -> bytes:
    """Return an id as Redis writes it."""
    return b"%d-%d" % position


def write_cursor(positions: Sequence[Position]) -> str:
    """Return the cursor for the positions of streams, in the order of their names in the settings."""
    return ".".join([VERSION, *[f"{milliseconds:x}-{number:x}" for milliseconds, number in positions]])


def read_cursor(text: str, count: int) -> list[Position]:
    """Return the positions in a cursor. `count`: of the streams. Raises InvalidCursor."""
    version, *parts = text.split(".")
    if version != VERSION or len(parts) != count:
        raise InvalidCursor(
            f"expected a cursor of this subscription with {count} positions, got {text[:40]!r}"
        )
    found = []
    for part in parts:
        milliseconds, _, number = part.partition("-")
        try:
            found.append((int(milliseconds, 16), int(number, 16)))
        except ValueError as error:
            raise InvalidCursor(f"expected a position in a cursor, got {part[:40]!r}") from error
    if any(min(one) < 0 or max(one) >= 1 << 64 for one in found):
        raise InvalidCursor("a position in the cursor is out of range")
    return found
