"""Archiving: moves old events to the table `archived_events`, so that the table `events` stays small.

Only events that a snapshot covers (the snapshot has their version or a higher one) are moved, because
loading the newest state does not need them. Past states, audits and rebuilds read both tables through the
view `every_event`.
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
    """The events cannot be archived: no snapshot has their version or a higher one, so loading needs them."""


async def archive(uow: UnitOfWork, stream: Stream, up_to: int) -> int:
    """Move a stream's events up to the version `up_to`, inclusive, to the archive; return how many were
    moved.

    Raises NotBehindSnapshot if no snapshot has this version or a higher one.
    """
    if await uow.execute(_MARK.bindparams(aggregate_id=stream.aggregate_id, up_to=up_to)) == 0:
        raise NotBehindSnapshot(
            f"Cannot archive events up to version {up_to}: the stream has no snapshot of that version"
            " or a later one; write a snapshot first"
        )
    return await uow.execute(_MOVE.bindparams(aggregate_id=stream.aggregate_id, up_to=up_to))
