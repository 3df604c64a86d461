"""Numbers of JSON and GraphQL as they were written.

Python's floats write 1.10 as 1.1, 1e400 not at all, and 0.1000000000000000055 as 0.1. A custom scalar may
need what was written, so a number that a float would write otherwise keeps its text. Whole numbers need no
such care: Python's have any length.
"""

from collections.abc import Hashable
from math import isfinite
from typing import Any

import msgspec

LONGEST = 4_000  # digits of a number that are compared as a number, not as text
WIDEST = 400  # zeros behind the digits of such a number
_encode = msgspec.json.Encoder().encode


class ExactNumber(float):
    """A float with the text that it was written as; infinite where the text is beyond floats.

    It compares as the float does; `number_mark` tells apart what is equal only as a float.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "ExactNumber":
        """The number for a text that Python's float reads. Raises ValueError for another one."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __reduce__(self) -> tuple[type["ExactNumber"], tuple[str]]:
        return type(self), (self.text,)

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


def exact_number(text: str) -> float:
    """The value of a decimal: a plain float where that is written as the text is, else an ExactNumber."""
    value = float(text)
    short = len(text) < 16 and text[-1] != "0"  # so many digits a float holds, and no zero is lost
    if short and text.replace(".", "").lstrip("-").isdigit() and abs(value) >= 0.001:
        return value
    return value if _encode(value) == text.encode() else ExactNumber(text)


def written(value: Any) -> msgspec.Raw:
    """An ExactNumber as JSON: the hook of encoders. Raises TypeError for anything else."""
    if isinstance(value, ExactNumber):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def plain(value: Any) -> Any:
    """The same value with floats in place of finite ExactNumbers, for what knows floats alone."""
    if isinstance(value, ExactNumber):
        return float(value) if isfinite(value) else value
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def number_mark(value: float) -> Hashable:
    """What numbers of equal value share, however they are written: 1, 1.0 and 10e-1 are one number."""
    if isinstance(value, int):
        return value
    mantissa, _, power = repr(value).lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = f"{whole}{fraction}".lstrip("0")
    kept = digits.rstrip("0")
    if len(power) > LONGEST or len(kept) > LONGEST or not digits.isdigit():
        return repr(value) if digits else 0
    exponent = int(power or 0) - len(fraction) + len(digits) - len(kept)
    negative = mantissa.startswith("-")
    if 0 <= exponent <= WIDEST:
        number: int = int(kept) * 10**exponent
        return -number if negative else number
    return negative, kept, exponent
