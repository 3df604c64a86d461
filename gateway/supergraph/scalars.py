"""The built-in scalars, and what a subgraph may give for each (GraphQL spec, 3.5).

The exact path asks `accepts`; compiled plans decode with `decoded`, which refuses the same values. A test
compares them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any

from msgspec import Meta

INT_MIN, INT_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """One built-in scalar: whether a value is one, the type that msgspec decodes it as, and how the exact
    path writes it.
    """

    name: str
    accepts: Callable[[Any], bool]
    decoded: Any
    written: Callable[[Any], Any] = lambda value: value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and INT_MIN <= value <= INT_MAX


def _is_float(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


SCALARS: Mapping[str, Scalar] = {
    one.name: one
    for one in (
        Scalar("String", lambda value: isinstance(value, str), str),
        # numbers are written as text, which the exact path does: compiled plans leave them to it
        Scalar("ID", _is_id, str, str),
        Scalar("Int", _is_int, Annotated[int, Meta(ge=INT_MIN, le=INT_MAX)]),
        Scalar("Float", _is_float, int | float),
        Scalar("Boolean", lambda value: isinstance(value, bool), bool),
    )
}
