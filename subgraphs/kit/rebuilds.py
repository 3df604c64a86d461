"""One rebuild of a thing at a time, whatever process runs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from subgraphs.kit.database import Database
from subgraphs.kit.errors import Conflict


class RebuildRunning(Conflict):
    """Another process is rebuilding the same thing."""

    code = "REBUILD_RUNNING"


@asynccontextmanager
async def exclusive(database: Database, name: str) -> AsyncIterator[None]:
    """Hold the lock of a rebuild: that of a database session, which ends with its process. Raises
    RebuildRunning."""
    connection = await database.listener()
    try:
        key = f"rebuild {name}"
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key):
            raise RebuildRunning(f"{name} is being rebuilt")
        yield
    finally:
        await connection.close()
