"""Migration of a stream: rewrites its events in the newest schema, so that its upcasters can be removed.

The upcasters convert the data. No service calls it: it is for an operator's script.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, select, text

from subgraphs.kit.event_store.events import StoredEvent, Stream
from subgraphs.kit.event_store.tables import every_event
from subgraphs.kit.event_store.upcasters import Upcasters
from subgraphs.kit.unit_of_work import UnitOfWork

# `archive` locks this row, too, so no event moves to the table of archived events while it is rewritten.
_LOCK = text("SELECT current_version FROM event_streams WHERE aggregate_id = :aggregate_id FOR UPDATE")
_ALL = (
    select(every_event)
    .where(
        every_event.c.aggregate_id == bindparam("aggregate_id"), every_event.c.version > bindparam("after")
    )
    .order_by(every_event.c.version)
    .limit(500)
)
_SET = (
    "SET schema_version = :schema_version, event_data = cast(cast(:data AS text) AS jsonb)"
    " WHERE position = :place"
)
_REWRITE = [text(f"UPDATE {table} {_SET}") for table in ("events", "archived_events")]


async def migrate_stream(uow: UnitOfWork, stream: Stream, upcasters: Upcasters) -> int:
    """Rewrite a stream's old events, archived ones too, in the newest schema; return how many were rewritten.

    Only `event_data` and `schema_version` change. Writers of the stream wait until the unit of work ends.
    Fields that an upcaster drops are lost, also for audits. Raises UnknownSchemaVersion; the caller must then
    not commit the unit of work, because a part of the stream may be rewritten.
    """
    await uow.fetch_value(_LOCK, aggregate_id=stream.aggregate_id)
    after, changed = 0, 0
    while rows := await uow.fetch_all(_ALL, aggregate_id=stream.aggregate_id, after=after):
        changes = _changes(rows, upcasters)
        if changes:
            for rewrite in _REWRITE:
                await uow.execute(rewrite, changes)
        after, changed = rows[-1].version, changed + len(changes)
    return changed


def _changes(rows: Sequence[Row[Any]], upcasters: Upcasters) -> list[dict[str, Any]]:
    """Return the parameters of the UPDATE statement for each event whose schema is not the newest."""
    pairs = [(event, upcasters.upcast(event)) for event in map(StoredEvent.of, rows)]
    return [
        {
            "place": old.cursor.position,
            "schema_version": new.schema_version,
            "data": msgspec.json.encode(new.data).decode(),
        }
        for old, new in pairs
        if new is not old
    ]
