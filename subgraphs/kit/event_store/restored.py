"""After a dump was restored into another server.

That one's transactions may have lower numbers than the events have.

Readers would take such events for ones of the future and wait for them, for years perhaps. So all of them get
the number of a transaction long past, and new positions in their old order, and the checkpoints follow.
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
        "UPDATE events AS own SET position = place, transaction_id = '1' FROM event_places AS new WHERE own.position = new.position",
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
    """Make restored events readable, if they need it; answer whether they did.

    Call it once after restoring, before anything is appended. Cursors kept outside of
    `projection_checkpoints` are worth nothing afterwards. Everybody else waits; every event is rewritten.
    """
    await uow.execute(_LOCK)
    if not await uow.fetch_value(_NEEDED):
        return False
    for statement in _RENUMBER:
        await uow.execute(statement)
    return True
