"""The global order of events, for readers that follow it while writers run side by side.

Neither numbers nor times tell a reader what it has seen: who took the lower number may commit later. So
events are read only below the oldest transaction that still runs: whatever is there is final, and what is
still to come stands behind it. The price is that one long writing transaction, in any database of the server,
holds up all readers until it ends.

Events of one stream stand in the order of their versions. Events of different streams need not stand in the
order in which they were committed.
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
    """The next events behind a place, in the order that all readers see, each exactly once.

    The last one's cursor leads on.

    Empty when all that is final has been read. Archived events are among them; they are in the shape in which
    they are stored.
    """
    rows = await session.fetch_all(
        _NEXT, transaction_id=cursor.transaction_id, position=cursor.position, limit=limit
    )
    return [StoredEvent.of(row) for row in rows]
