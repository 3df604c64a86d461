"""Appends events to a stream; the only module that inserts into the table `events`.

Each stream has a row with its newest version. A writer locks the row and numbers its events from there, so
versions have no gaps. Example: a writer that has read version 3 and appends two events writes versions 4 and
5; another writer that has read version 3 then gets a VersionConflict.
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
# The global order sorts events by transaction id. The transaction that writes version 2 may have a lower id
# than the one that wrote version 1, and its id would sort version 2 first. So events get the higher of their
# transaction's id and the stream's last one. It is never below the id of the transaction, on which `feed`
# relies.
_ADVANCE = """
UPDATE {target} SET current_version = stream.current_version + :count,
    last_transaction_id = greatest(stream.last_transaction_id, pg_current_xact_id())
WHERE stream.aggregate_type = :aggregate_type {condition}
"""
# One statement, to save a round trip. The INSERT reads from the UPDATE, so the stream's row is locked before
# an event gets its position.
_WRITE = """
WITH advanced AS ({advance} RETURNING current_version, last_transaction_id)
INSERT INTO events (event_id, aggregate_id, aggregate_type, version, event_type, schema_version,
    event_data, metadata, created_by, correlation_id, causation_id, transaction_id)
SELECT cast(given ->> 'event_id' AS uuid), :aggregate_id, :aggregate_type,
    current_version - :count + cast(number AS integer),
    given ->> 'event_type', cast(given ->> 'schema_version' AS integer), given -> 'data',
    given -> 'metadata', :created_by, :correlation_id, cast(:causation_id AS uuid), last_transaction_id
FROM advanced,
    jsonb_array_elements(cast(cast(:events AS text) AS jsonb)) WITH ORDINALITY AS list (given, number)
ORDER BY number
RETURNING {columns}
"""


def _append_statement(advance: str) -> TextualSelect:
    columns = ", ".join(column.name for column in events_table.c)
    return text(_WRITE.format(advance=advance, columns=columns)).columns(*events_table.c)


_APPEND_ANY = _append_statement(f"{_INSERT} {_ADVANCE.format(target='', condition='')}")
_APPEND_NEW_STREAM = _append_statement(f"{_INSERT} NOTHING")
_APPEND_AT_VERSION = _append_statement(
    _ADVANCE.format(
        target="event_streams AS stream",
        condition="AND stream.aggregate_id = :aggregate_id AND stream.current_version = :expected",
    )
)
_VERSION_OF = text(
    "SELECT aggregate_type, current_version FROM event_streams WHERE aggregate_id = :aggregate_id"
)


async def append(
    uow: UnitOfWork, stream: Stream, expected_version: int, events: Sequence[NewEvent], context: AppendContext
) -> list[StoredEvent]:
    """Append events to a stream in the transaction of the unit of work; return them as stored.

    `expected_version` is the version that the writer has read, `NO_STREAM` (the stream must not exist), or
    `ANY` (the version is not compared). Raises VersionConflict if the stream has another version, WrongType
    if its aggregate has another type; nothing is then written.
    Other writers of the stream wait until the unit of work ends. Append to several streams of one unit of
    work in the order of their ids: otherwise two writers may deadlock.
    """
    if not events:
        raise ValueError("expected at least one event to append, got none")
    if expected_version < ANY:
        raise ValueError(f"expected_version must be a version, NO_STREAM or ANY, got {expected_version}")
    statement = {ANY: _APPEND_ANY, NO_STREAM: _APPEND_NEW_STREAM}.get(expected_version, _APPEND_AT_VERSION)
    parameters = {
        "aggregate_id": stream.aggregate_id,
        "aggregate_type": stream.aggregate_type,
        "count": len(events),
        "created_by": context.created_by,
        "correlation_id": context.correlation_id,
        "causation_id": context.causation_id,
        "events": msgspec.json.encode(events).decode(),
    }
    if expected_version > NO_STREAM:
        parameters["expected"] = expected_version
    while True:
        if written := await uow.fetch_all(statement, **parameters):
            return sorted((StoredEvent.of(row) for row in written), key=lambda event: event.version)
        actual = await version_of(uow, stream)
        # If they are equal, another writer has committed the expected version between the two statements.
        if actual != expected_version:
            raise VersionConflict(expected_version, actual)


async def version_of(session: Session, stream: Stream) -> int:
    """Return the newest version of a stream, 0 if it has no events.

    Raises WrongType if the id belongs to an aggregate of another type.
    """
    row = await session.fetch_one(_VERSION_OF, aggregate_id=stream.aggregate_id)
    if row is not None and row.aggregate_type != stream.aggregate_type:
        raise WrongType(
            f"{stream.aggregate_id} is the id of a {row.aggregate_type}, not of a {stream.aggregate_type}"
        )
    return row.current_version if row is not None else NO_STREAM
