"""Own writes: who has just written something can use it in the next call, whichever service answers.

A service receives the events of others within a fraction of a second. Before it refuses a request because it
does not know a thing, it waits for the event.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from subgraphs.kit.database import Database

PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""The seconds between the queries; their sum is the longest wait."""
Found = TypeVar("Found")


class HasDatabase(Protocol):
    """The context of a request."""

    @property
    def database(self) -> Database:
        """The database of the service."""
        ...


async def await_known(find: Callable[[], Awaitable[Found | None]], context: HasDatabase) -> Found | None:
    """Return what `find` finds, called again until it finds something; None if it does not within the sum of
    PAUSES.

    It is called outside of a transaction, which would not see the rows of later events.
    """
    for pause in PAUSES:
        if (found := await find()) is not None:
            return found
        await context.database.clock.sleep(pause)
    return await find()
