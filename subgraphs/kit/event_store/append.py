"""Appending: the row of the stream decides who comes first, and versions are handed out while it is
locked.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import TextualSelect, text

from subgraphs.kit.database import Session
from subgraphs.kit.event_store.events import (
    ANY,
    NO_STREAM,
    AppendContext,
    NewEvent,
    StoredEvent,
    Stream,
    VersionConflict,
    WrongType,
)
from subgraphs.kit.event_store.tables import events as events_table
from subgraphs.kit.unit_of_work import UnitOfWork

_INSERT = """
INSERT INTO event_streams AS stream (aggregate_id, aggregate_type, current_version, last_transaction_id)
VALUES (:aggregate_id, :aggregate_type, :count, pg_current_xact_id())
ON CONFLICT (aggregate_id) DO
"""
# A writer may have got its transaction's number before the one whose events it follows, so the number alone
# could put
# version 2 before version 1. With the higher of both it cannot, and it stays true that who is still running
# writes no
# number below its own.
_ADVANCE = """
UPDATE {target} SET current_version = stream.current_version + :count,
    last_transaction_id = greatest(stream.last_transaction_id, pg_current_xact_id())
WHERE stream.aggregate_type = :aggregate_type {condition}
"""
# One statement, that is one round trip: the rows of the second part come out of the first, so no event gets
# its position before
# the stream is locked.
_WRITE = """
WITH advanced AS ({advance} RETURNING current_version, last_transaction_id)
INSERT INTO events (event_id, aggregate_id, aggregate_type, version, event_type, schema_version, event_data, metadata,
    created_by, correlation_id, causation_id, transaction_id)
SELECT cast(given ->> 'event_id' AS uuid), :aggregate_id, :aggregate_type, current_version - :count + cast(number AS integer),
    given ->> 'event_type', cast(given ->> 'schema_version' AS integer), given -> 'data', given -> 'metadata',
    :created_by, :correlation_id, cast(:causation_id AS uuid), last_transaction_id
FROM advanced, jsonb_array_elements(cast(cast(:events AS text) AS jsonb)) WITH ORDINALITY AS list (given, number)
ORDER BY number
RETURNING {columns}
"""


def _writing(advance: str) -> TextualSelect:
    columns = ", ".join(column.name for column in events_table.c)
    return text(_WRITE.format(advance=advance, columns=columns)).columns(*events_table.c)


_TO_ANY = _writing(f"{_INSERT} {_ADVANCE.format(target='', condition='')}")
_TO_NONE = _writing(f"{_INSERT} NOTHING")
_TO_VERSION = _writing(
    _ADVANCE.format(
        target="event_streams AS stream",
        condition="AND stream.aggregate_id = :aggregate_id AND stream.current_version = :expected",
    )
)
_ACTUAL = text("SELECT aggregate_type, current_version FROM event_streams WHERE aggregate_id = :aggregate_id")


async def append(
    uow: UnitOfWork, stream: Stream, expected_version: int, events: Sequence[NewEvent], context: AppendContext
) -> list[StoredEvent]:
    """Write events behind the newest of the stream, in the transaction of the unit of work.

    Answer them as stored.

    `expected_version` is the version that the writer has seen, `NO_STREAM` or `ANY`. Raises VersionConflict
    or WrongType, having written nothing; other writers of the stream wait until the unit of work ends. Who
    appends to several streams in one unit of work does so in the order of their ids, or two of them may wait
    for each other.
    """
    if not events or expected_version < ANY:
        raise ValueError("no events" if not events else expected_version)
    statement = {ANY: _TO_ANY, NO_STREAM: _TO_NONE}.get(expected_version, _TO_VERSION)
    given = {
        "aggregate_id": stream.aggregate_id,
        "aggregate_type": stream.aggregate_type,
        "count": len(events),
        "created_by": context.created_by,
        "correlation_id": context.correlation_id,
        "causation_id": context.causation_id,
        "events": msgspec.json.encode(events).decode(),
    }
    if expected_version > NO_STREAM:
        given["expected"] = expected_version
    while True:
        if written := await uow.fetch_all(statement, **given):
            return sorted((StoredEvent.of(row) for row in written), key=lambda event: event.version)
        actual = await version_of(uow, stream)
        # Equal: somebody committed just what was expected, between the two statements.
        if actual != expected_version:
            raise VersionConflict(expected_version, actual)


async def version_of(session: Session, stream: Stream) -> int:
    """The newest version of a stream, 0 where there is none. Raises WrongType."""
    row = await session.fetch_one(_ACTUAL, aggregate_id=stream.aggregate_id)
    if row is not None and row.aggregate_type != stream.aggregate_type:
        raise WrongType(f"{stream.aggregate_id} is not the id of a {stream.aggregate_type}")
    return row.current_version if row is not None else NO_STREAM
