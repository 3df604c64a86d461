"""Values of which JSON has only a mark, such as files: what sends the JSON replaces the mark."""

from typing import Any

from gateway.core.numbers import encode_exact_number


class MarkedValue:
    """A value that JSON can't represent. `marker`: the text that stands for it."""

    marker: str


def encode_special(value: Any) -> Any:
    """Return an ExactNumber or a marked value as JSON has it, as a hook of JSON encoders.

    Raises TypeError for other values.
    """
    return value.marker if isinstance(value, MarkedValue) else encode_exact_number(value)
