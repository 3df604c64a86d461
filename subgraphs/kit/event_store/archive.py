"""Archiving: events behind a snapshot go to a table of their own, so that the one which is written stays
small.

Nothing is dropped: views of the past, audits, and projections that begin anew read both (`every_event`).
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
    """The stream has no snapshot at or after the version, so its loading still needs the events."""


async def archive(uow: UnitOfWork, stream: Stream, up_to: int) -> int:
    """Move the events up to a version, inclusive, to the archive; answer how many were moved.

    Raises NotBehindSnapshot.
    """
    if await uow.execute(_MARK.bindparams(aggregate_id=stream.aggregate_id, up_to=up_to)) == 0:
        raise NotBehindSnapshot(f"There is no snapshot of version {up_to} or a later one")
    return await uow.execute(_MOVE.bindparams(aggregate_id=stream.aggregate_id, up_to=up_to))
