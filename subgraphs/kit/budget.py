"""How much one request may ask for.

Lists within lists grow by a hundred at each step, and a short question can want millions.

Every element of a list is counted as it is found. Depth and `first` say little beforehand: most lists are
short.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from subgraphs.kit.errors import BadUserInput

MAX_ELEMENTS = 10_000


class TooManyElements(BadUserInput):
    """The request wants more elements of lists than one request may."""


@dataclass(slots=True)
class ElementBudget:
    """What is left for one request."""

    left: int = MAX_ELEMENTS


_budget: ContextVar[ElementBudget | None] = ContextVar("budget", default=None)


def begin() -> None:
    """Give the request that is executed from here on a budget of its own."""
    _budget.set(ElementBudget())


def spend(elements: int) -> None:
    """Count elements; raises when there are too many, and from then on at every list."""
    budget = _budget.get()
    if budget is None:
        return
    budget.left -= elements
    if budget.left < 0:
        raise TooManyElements(
            f"This asks for more than {MAX_ELEMENTS} elements of lists: ask for fewer, or in several requests"
        )
