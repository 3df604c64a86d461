"""A lock of the database that allows one rebuild of a projection or sink at a time, over all processes.

`event_store/rebuild` and `sinks/rebuild` use it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from subgraphs.kit.database import Database
from subgraphs.kit.errors import Conflict


class RebuildRunning(Conflict):
    """A rebuild of the same projection or sink is running, perhaps in another process."""

    code = "REBUILD_RUNNING"


@asynccontextmanager
async def exclusive(database: Database, name: str) -> AsyncIterator[None]:
    """Hold the lock for rebuilds of `name` inside the `with` block. Raises RebuildRunning if it is held.

    It is a lock of a database session, which the server releases when the process ends.
    """
    connection = await database.listener()
    try:
        key = f"rebuild {name}"
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key):
            raise RebuildRunning(f"{name} is being rebuilt: wait until the running rebuild has ended")
        yield
    finally:
        await connection.close()
