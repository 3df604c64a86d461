"""Archiving: events that a snapshot covers are moved to another table, so that the table of new events stays
small.

Past states, audits and rebuilds of projections read both tables through the view `every_event`.
"""

from sqlalchemy import text

from subgraphs.kit.errors import Conflict
from subgraphs.kit.event_store.events import Stream
from subgraphs.kit.event_store.tables import events
from subgraphs.kit.unit_of_work import UnitOfWork

_NAMES = ", ".join(column.name for column in events.c)
_MARK = text(
    """
UPDATE event_streams SET archived_version = greatest(archived_version, :up_to)
WHERE aggregate_id = :aggregate_id AND last_snapshot_version >= :up_to
"""
)
_MOVE = text(
    f"""
WITH moved AS (DELETE FROM events WHERE aggregate_id = :aggregate_id AND version <= :up_to RETURNING {_NAMES})
INSERT INTO archived_events ({_NAMES}) SELECT {_NAMES} FROM moved
"""  # noqa: S608 - names of columns, nothing from outside
)


class NotBehindSnapshot(Conflict):
    """The stream has no snapshot of the version or a later one, so loading it needs the events."""


async def archive(uow: UnitOfWork, stream: Stream, up_to: int) -> int:
    """Move a stream's events up to a version, inclusive, to the archive; return how many were moved.

    Raises NotBehindSnapshot.
    """
    if await uow.execute(_MARK.bindparams(aggregate_id=stream.aggregate_id, up_to=up_to)) == 0:
        raise NotBehindSnapshot(
            f"Cannot archive up to version {up_to}: there is no snapshot of it or a later version"
        )
    return await uow.execute(_MOVE.bindparams(aggregate_id=stream.aggregate_id, up_to=up_to))
