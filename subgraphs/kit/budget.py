"""A limit on the list elements that one request may load.

Each level of nested lists can multiply the elements by a hundred, so a short query can request millions.
Elements are counted when they are loaded. A limit on depth or on `first` would refuse too much, as most lists
are short.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from subgraphs.kit.errors import BadUserInput

MAX_ELEMENTS = 10_000


class TooManyElements(BadUserInput):
    """The request loads more list elements than one request may."""


@dataclass(slots=True)
class ElementBudget:
    """The number of list elements that one request may still load."""

    left: int = MAX_ELEMENTS


_budget: ContextVar[ElementBudget | None] = ContextVar("budget", default=None)


def begin() -> None:
    """Start a new budget for the request that is executed in this context."""
    _budget.set(ElementBudget())


def spend(elements: int) -> None:
    """Count loaded elements. Raises TooManyElements when the budget is used up, then at every further
    list.
    """
    budget = _budget.get()
    if budget is None:
        return
    budget.left -= elements
    if budget.left < 0:
        raise TooManyElements(
            f"A request may load at most {MAX_ELEMENTS} list elements:"
            " request fewer, or split them into several requests"
        )
