"""The archivist: a background task of a service that moves old events to the archive (`archive`).

Every EVERY_SECONDS it archives the events that are older than OLD_DAYS and covered by a snapshot.
"""

from uuid import UUID

import structlog
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.archive import archive
from subgraphs.kit.event_store.events import Stream
from subgraphs.kit.tasks import Background
from subgraphs.kit.unit_of_work import UnitOfWork

log = structlog.get_logger("subgraphs.archivist")

OLD_DAYS = 90
EVERY_SECONDS = 3600.0
_DUE = text(
    """
SELECT aggregate_id, aggregate_type, max(version) AS up_to
FROM events JOIN event_streams USING (aggregate_id, aggregate_type)
WHERE version <= last_snapshot_version AND occurred_at < clock_timestamp() - make_interval(days => :days)
    AND archived_version < last_snapshot_version
GROUP BY aggregate_id, aggregate_type LIMIT 500
"""
)


class Archivist(Background):
    """The background task. Several processes of a service may run it: each event is archived once."""

    task_name = "archivist"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self) -> int:
        """Archive the old events of at most 500 streams; return how many events were moved."""
        moved = 0
        for row in await self._database.fetch_all(_DUE, days=OLD_DAYS):
            async with UnitOfWork(self._database) as uow:
                moved += await archive(
                    uow, Stream(row.aggregate_type, UUID(str(row.aggregate_id))), row.up_to
                )
        return moved

    async def _run(self) -> None:
        while True:
            try:
                moved = 1
                while moved:
                    moved = await self.sweep()
            except Exception as error:
                log.warning("archiving failed; retrying later", reason=repr(error))
            await self._database.clock.sleep(EVERY_SECONDS)
