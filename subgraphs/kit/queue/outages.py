"""Whether an error means that a server is away: the event is not at fault, and the same will do later."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from subgraphs.kit.unit_of_work import UnitOfWork

# connection, deadlock, resources, shutdown (SQLSTATE classes), and a transaction that was idle for too long
_CLASSES = ("08", "40", "53", "57")
_IDLE = "25P03"


class ServerUnavailable(Exception):
    """A server that a handler writes to does not answer. The inbox waits for it and counts no try."""


class ConnectFailed(Exception):
    """The database let nobody in, for whatever reason."""


async def connect(uow: UnitOfWork) -> None:
    """Begin the transaction; whatever keeps it from beginning is an outage."""
    try:
        await uow.connection()
    except Exception as error:
        raise ConnectFailed(repr(error)) from error


def is_outage(error: Exception) -> bool:
    """Whether to wait and try the same again."""
    state = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    if state and (state[:2] in _CLASSES or state == _IDLE):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, ServerUnavailable | ConnectFailed | OSError | InterfaceError | OperationalError)
