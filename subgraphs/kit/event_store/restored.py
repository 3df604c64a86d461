"""Repairs the event store after a dump was restored into another server (docs/platform/operating.md).

The new server's transaction ids may be lower than those stored in the events. `feed` returns only events with
ids below the oldest running transaction, so it would not return them. All events therefore get transaction id
1 and new positions in their old order, and the checkpoints of projections are converted accordingly.
"""

from sqlalchemy import text

from subgraphs.kit.unit_of_work import UnitOfWork

_LOCK = text("LOCK TABLE event_streams, events, archived_events, projection_checkpoints IN EXCLUSIVE MODE")
_NEEDED = text("SELECT coalesce(max(last_transaction_id) >= pg_current_xact_id(), false) FROM event_streams")
_RENUMBER = [
    text(statement)
    for statement in (
        """
CREATE TEMPORARY TABLE event_places ON COMMIT DROP AS
SELECT transaction_id, position, row_number() OVER (ORDER BY transaction_id, position)
    + (SELECT max(position) FROM every_event) AS place
FROM every_event
""",
        """
UPDATE events AS own SET position = place, transaction_id = '1' FROM event_places AS new
WHERE own.position = new.position
""",
        """
UPDATE archived_events AS own SET position = place, transaction_id = '1' FROM event_places AS new
WHERE own.position = new.position
""",
        """
UPDATE projection_checkpoints AS own SET transaction_id = '1', position = coalesce((
    SELECT max(place) FROM event_places AS new
    WHERE (new.transaction_id, new.position) <= (own.transaction_id, own.position)
), 0)
""",
        "UPDATE event_streams SET last_transaction_id = '1'",
        "SELECT setval(pg_get_serial_sequence('events', 'position'), max(place)) FROM event_places",
    )
]


async def adopt(uow: UnitOfWork) -> bool:
    """Renumber restored events if the server's transaction ids are below theirs; return whether it did.

    Call it once after restoring, before any event is appended. It rewrites every event and locks the tables.
    Cursors that are stored elsewhere than in `projection_checkpoints` are invalid afterwards.
    """
    await uow.execute(_LOCK)
    if not await uow.fetch_value(_NEEDED):
        return False
    for statement in _RENUMBER:
        await uow.execute(statement)
    return True
