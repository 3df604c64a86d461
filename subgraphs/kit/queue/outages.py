"""Tells the errors that mean that a server is unavailable from the errors that an event causes.

After an outage the inbox tries the same event again and counts no retry.
"""

from subgraphs.kit.outages import is_disconnected, sqlstate_of
from subgraphs.kit.unit_of_work import UnitOfWork

# SQLSTATE classes: connection errors, transaction rollback (deadlock), insufficient resources, shutdown.
_CLASSES = ("08", "40", "53", "57")
# idle_in_transaction_session_timeout
_IDLE = "25P03"


class ServerUnavailable(Exception):
    """A server to which a handler writes is unavailable.

    The inbox waits until it is available again, and does not count the attempt as a retry of the event.
    """


class ConnectFailed(Exception):
    """No connection to the database could be made."""


async def connect(uow: UnitOfWork) -> None:
    """Begin the transaction of a unit of work. Raises ConnectFailed for any error, as each is an outage."""
    try:
        await uow.connection()
    except Exception as error:
        raise ConnectFailed(repr(error)) from error


def is_outage(error: Exception) -> bool:
    """Return whether an error means that a server is unavailable, so that the same work can succeed later."""
    state = sqlstate_of(error)
    if state[:2] in _CLASSES or state == _IDLE:
        return True
    return is_disconnected(error) or isinstance(error, ServerUnavailable | ConnectFailed)
