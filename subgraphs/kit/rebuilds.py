"""A lock that allows one rebuild of a projection or sink at a time, over all processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from subgraphs.kit.database import Database
from subgraphs.kit.errors import Conflict


class RebuildRunning(Conflict):
    """A rebuild with the same name is running, perhaps in another process."""

    code = "REBUILD_RUNNING"


@asynccontextmanager
async def exclusive(database: Database, name: str) -> AsyncIterator[None]:
    """Hold the lock of a rebuild inside the `with` block. Raises RebuildRunning.

    It is a lock of a database session, which ends with the process.
    """
    connection = await database.listener()
    try:
        key = f"rebuild {name}"
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key):
            raise RebuildRunning(f"{name} is being rebuilt: wait until the running rebuild has ended")
        yield
    finally:
        await connection.close()
