"""The errors of the read side, and which errors of the database mean that a read model cannot be read."""

from subgraphs.kit.errors import DomainError
from subgraphs.kit.outages import does_not_answer, sqlstate_of

_MISSING = frozenset({"42P01", "42703"})  # no such table, no such column


class ReadModelUnavailable(DomainError):
    """The read model is not fresh, and the command side cannot answer the query."""

    code = "READ_MODEL_UNAVAILABLE"


class CommandSideRefused(DomainError):
    """A service of the command side has returned an error, with this message and code."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def why_unreadable(error: Exception) -> str | None:
    """Return why a read model could not be read: its tables are missing, or its database does not answer.

    Returns None for all other errors, which are bugs.
    """
    if sqlstate_of(error) in _MISSING:
        return "its tables are missing"
    return "its database does not answer" if does_not_answer(error) else None
