"""The global order of events, for readers that follow it while several writers run.

Why not read by position or time: a writer that got the lower position may commit later, so a reader would
miss its event. Events are therefore read only below the oldest running transaction: that part of the order is
final, and later commits come behind it. The price: one long writing transaction, in any database of the
server, delays all readers until it ends.

Events of one stream are in the order of their versions. Events of different streams need not be in the order
in which they were committed.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, bindparam, select, text, tuple_

from subgraphs.kit.database import Session
from subgraphs.kit.event_store.events import Cursor, StoredEvent
from subgraphs.kit.event_store.tables import Xid8, every_event

_PLACE = tuple_(every_event.c.transaction_id, every_event.c.position)
_BEHIND = tuple_(bindparam("transaction_id", type_=Xid8), bindparam("position", type_=BigInteger)) < _PLACE
_FINAL = text("transaction_id < pg_snapshot_xmin(pg_current_snapshot())")
_NEXT = (
    select(every_event)
    .where(_BEHIND, _FINAL)
    .order_by(every_event.c.transaction_id, every_event.c.position)
    .limit(bindparam("limit"))
)


async def read_after(session: Session, cursor: Cursor, limit: int = 500) -> Sequence[StoredEvent]:
    """Return the next events behind a cursor, at most `limit`, in the same order for all readers.

    Pass the cursor of the last event to read on. The list is empty if no final event is left. Archived events
    are included. The events are not upcast.
    """
    rows = await session.fetch_all(
        _NEXT, transaction_id=cursor.transaction_id, position=cursor.position, limit=limit
    )
    return [StoredEvent.of(row) for row in rows]
