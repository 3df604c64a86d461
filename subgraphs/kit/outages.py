"""Tells the errors that mean that a server does not answer from those that a bug causes."""

from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# SQLSTATE classes: connection, authorization, unknown database, resources, a database that allows no
# connections, shutdown.
_OUTAGE: Final = frozenset({"08", "28", "3D", "53", "55", "57"})


def sqlstate_of(error: BaseException) -> str:
    """Return PostgreSQL's code for an error (SQLSTATE); "" if the error has none."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or getattr(error, "sqlstate", None)
    return state or ""


def does_not_answer(error: BaseException) -> bool:
    """Return whether an error means that a server, such as the database, does not answer.

    A connection pool whose connections are all in use counts as well: the server is overloaded.
    """
    if sqlstate_of(error)[:2] in _OUTAGE:
        return True
    return is_disconnected(error) or isinstance(error, PoolTimeout)


def is_disconnected(error: BaseException) -> bool:
    """Return whether an error means that there is no connection to a server, or no longer one."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OSError | InterfaceError | OperationalError)
