"""Reads all events in the global order, without missing one that commits late. Projections use it.

The order is by transaction id, then position. Why not by position or time: of two concurrent writers, the one
with the lower position may commit last, and a reader that has read the higher position misses its event.
Events are therefore read only if their transaction id is below that of the oldest running transaction: every
later commit has a higher id. The price: one long writing transaction, in any database of the server, delays
all readers until it ends.

Events of one stream are in the order of their versions. Events of different streams need not be in the order
in which they were committed.

Example: transactions 70 and 71 write events, and 71 commits first. Readers get neither event until 70 has
ended, then that of 70 and that of 71.
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
    """Return the next events behind a cursor, at most `limit`, in the global order.

    For the next page pass the cursor of the last event. The list is empty if no event is left below the
    oldest running transaction. Archived events are included. The events are not upcast.
    """
    rows = await session.fetch_all(
        _NEXT, transaction_id=cursor.transaction_id, position=cursor.position, limit=limit
    )
    return [StoredEvent.of(row) for row in rows]
