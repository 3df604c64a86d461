"""Numbers of JSON and GraphQL that keep their text.

Python writes the floats 1.10 as 1.1, 0.1000000000000000055 as 0.1, and can't represent 1e400. A custom scalar
may need the original text, so a number that a float would write differently keeps it. Integers have any
length in Python.
"""

from collections.abc import Hashable
from math import isfinite
from typing import Any

import msgspec

LONGEST = 4_000  # digits; longer numbers are compared as text
WIDEST = 400  # trailing zeros up to which a number is compared as an int
_encode = msgspec.json.Encoder().encode


class ExactNumber(float):
    """A float with its original text; infinite if the text is outside the range of floats.

    It compares as a float; `number_key` distinguishes numbers that are equal only as floats.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "ExactNumber":
        """Return the number for a text that `float` accepts. Raises ValueError for any other text."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __reduce__(self) -> tuple[type["ExactNumber"], tuple[str]]:
        return type(self), (self.text,)

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


def exact_number(text: str) -> float:
    """Return the value of a decimal: a float if Python writes it like the text, else an ExactNumber."""
    value = float(text)
    short = len(text) < 16 and text[-1] != "0"  # a float represents 15 digits, except zeros at the end
    if short and text.replace(".", "").lstrip("-").isdigit() and abs(value) >= 0.001:
        return value
    return value if _encode(value) == text.encode() else ExactNumber(text)


def encode_exact_number(value: Any) -> msgspec.Raw:
    """Return an ExactNumber as JSON, as a hook of JSON encoders. Raises TypeError for any other value."""
    if isinstance(value, ExactNumber):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def plain_numbers(value: Any) -> Any:
    """Return the value with floats instead of finite ExactNumbers, at any depth, for code that needs
    floats.
    """
    if isinstance(value, ExactNumber):
        return float(value) if isfinite(value) else value
    if isinstance(value, dict):
        return {key: plain_numbers(inner) for key, inner in value.items()}
    return [plain_numbers(inner) for inner in value] if isinstance(value, list) else value


def number_key(value: float) -> Hashable:
    """Return a hashable key that is equal for numbers of equal value, however they are written: 1, 1.0,
    10e-1.
    """
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
