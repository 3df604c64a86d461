"""A limit on the number of list elements that one request may load.

Each level of nested lists can multiply the elements by a hundred, so a short query can request millions.
Loaders and connections count the elements that they load (`spend`). A limit on the depth of queries or on
`first` would refuse too many queries, because most lists are short.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from subgraphs.kit.errors import BadUserInput

MAX_ELEMENTS = 10_000


class TooManyElements(BadUserInput):
    """The request has loaded more than MAX_ELEMENTS list elements."""


@dataclass(slots=True)
class ElementBudget:
    """The number of list elements that one request may still load."""

    left: int = MAX_ELEMENTS


_budget: ContextVar[ElementBudget | None] = ContextVar("budget", default=None)


def begin() -> None:
    """Start a new budget for the request that the present context (contextvars) executes."""
    _budget.set(ElementBudget())


def spend(elements: int) -> None:
    """Subtract `elements`, the number of loaded list elements, from the request's budget.

    Raises TooManyElements if the budget is exceeded, also at every later call. Without a budget it does
    nothing.
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
