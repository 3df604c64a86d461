"""What the readers of all formats share: the result, the error, and the limits."""

from dataclasses import dataclass, field
from typing import Final

LONGEST_SIDE: Final = 8_000
MOST_PARTS: Final = 20_000
"""How many chunks or segments a picture may have, so that reading takes milliseconds."""


class NotAPicture(ValueError):
    """A file is not a valid picture of the format that its first bytes name; the message says why."""


@dataclass(frozen=True, slots=True)
class CleanPicture:
    """A picture without metadata, and its size in pixels."""

    content: bytes = field(repr=False)
    width: int
    height: int


def check_size(width: int, height: int) -> None:
    """Raise NotAPicture for a picture without pixels, or with a side that is too long."""
    if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
        raise NotAPicture(
            f"it must have 1 to {LONGEST_SIDE:,} pixels in width and height, got {width:,} x {height:,}"
        )


def check_parts(number: int) -> None:
    """Raise NotAPicture for a picture of too many parts."""
    if number > MOST_PARTS:
        raise NotAPicture(f"it has more than {MOST_PARTS:,} parts")
