"""The errors of the read side, and which errors of the database mean that a read model cannot be read."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from subgraphs.kit.errors import DomainError

_MISSING = frozenset({"42P01", "42703"})  # no such table, no such column
# SQLSTATE classes: connection, authorization, unknown database, resources, a database that allows no
# connections, shutdown.
_OUTAGE = frozenset({"08", "28", "3D", "53", "55", "57"})


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
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or getattr(error, "sqlstate", None) or ""
    if state in _MISSING:
        return "its tables are missing"
    gone = isinstance(error, DBAPIError) and error.connection_invalidated
    if state[:2] in _OUTAGE or gone:
        return "its database does not answer"
    if isinstance(error, OSError | TimeoutError | PoolTimeout | InterfaceError | OperationalError):
        return "its database does not answer"
    return None
