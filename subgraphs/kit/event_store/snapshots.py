"""Snapshots: stored states of aggregates, so that loading an aggregate reads the later events only.

`aggregate` writes and reads them; `archive` moves only events that a snapshot covers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text

from subgraphs.kit.event_store.events import Stream
from subgraphs.kit.unit_of_work import UnitOfWork

_WRITE = text(
    """
INSERT INTO snapshots (aggregate_id, version, schema_version, state_data)
VALUES (:aggregate_id, :version, :schema_version, cast(cast(:state AS text) AS jsonb))
ON CONFLICT (aggregate_id, version) DO UPDATE
SET schema_version = excluded.schema_version, state_data = excluded.state_data, created_at = clock_timestamp()
"""
)
_SET_LAST = text(
    "UPDATE event_streams SET last_snapshot_version = greatest(last_snapshot_version, :version) "
    "WHERE aggregate_id = :aggregate_id"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of an aggregate after the event with this version, as JSON values."""

    version: int
    state: Mapping[str, Any]


async def write_snapshots(
    uow: UnitOfWork, stream: Stream, schema_version: int, snapshots: list[Snapshot]
) -> None:
    """Store snapshots of a stream; a snapshot replaces an existing one of the same version.

    `schema_version` is that of the aggregate's state (`Aggregate.schema_version`), not that of the events.
    """
    rows = [
        {
            "aggregate_id": stream.aggregate_id,
            "version": snapshot.version,
            "schema_version": schema_version,
            "state": msgspec.json.encode(snapshot.state).decode(),
        }
        for snapshot in snapshots
    ]
    await uow.execute(_WRITE, rows)
    newest = max(snapshot.version for snapshot in snapshots)
    await uow.execute(_SET_LAST.bindparams(aggregate_id=stream.aggregate_id, version=newest))
