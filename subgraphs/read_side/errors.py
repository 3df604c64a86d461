"""What the read side has to say when it cannot answer."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from subgraphs.kit.errors import DomainError

_MISSING = frozenset({"42P01", "42703"})  # no such table, no such column
# Classes: connection, who may connect, to which database, resources, a database that takes nobody in,
# shutdown.
_OUTAGE = frozenset({"08", "28", "3D", "53", "55", "57"})


class ReadModelUnavailable(DomainError):
    """The read model cannot be trusted now, and the command side cannot answer this question in its place."""

    code = "READ_MODEL_UNAVAILABLE"


class CommandSideRefused(DomainError):
    """The service that was asked instead gave this error."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def why_unreadable(error: Exception) -> str | None:
    """Why a read model could not be read, if it is a matter of its tables or its database.

    None for mistakes.
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
