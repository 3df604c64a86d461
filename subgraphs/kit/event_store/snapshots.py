"""Snapshots: the states of aggregates as they were after some versions, so that not all events have to be read again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, text

from subgraphs.kit.database import Session
from subgraphs.kit.event_store.events import Stream
from subgraphs.kit.event_store.tables import snapshots
from subgraphs.kit.unit_of_work import UnitOfWork

_NEWEST = (
    select(snapshots.c.version, snapshots.c.state_data)
    .where(
        snapshots.c.aggregate_id == bindparam("aggregate_id"),
        snapshots.c.schema_version == bindparam("schema_version"),
        snapshots.c.version <= bindparam("up_to"),
    )
    .order_by(snapshots.c.version.desc())
    .limit(1)
)
_WRITE = text(
    """
INSERT INTO snapshots (aggregate_id, version, schema_version, state_data)
VALUES (:aggregate_id, :version, :schema_version, cast(cast(:state AS text) AS jsonb))
ON CONFLICT (aggregate_id, version) DO UPDATE
SET schema_version = excluded.schema_version, state_data = excluded.state_data, created_at = clock_timestamp()
"""
)
_REMEMBER = text(
    "UPDATE event_streams SET last_snapshot_version = greatest(last_snapshot_version, :version) "
    "WHERE aggregate_id = :aggregate_id"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state as JSON values, and the version after which it was so."""

    version: int
    state: Mapping[str, Any]


async def newest_snapshot(session: Session, stream: Stream, schema_version: int, up_to: int) -> Snapshot | None:
    """The newest snapshot of this shape that is not after a version."""
    row = await session.fetch_one(_NEWEST, aggregate_id=stream.aggregate_id, schema_version=schema_version, up_to=up_to)
    return Snapshot(row.version, row.state_data) if row is not None else None


async def write_snapshots(uow: UnitOfWork, stream: Stream, schema_version: int, taken: list[Snapshot]) -> None:
    """Keep snapshots of a stream that has these versions; one of another shape at the same version is replaced."""
    rows = [
        {
            "aggregate_id": stream.aggregate_id,
            "version": snapshot.version,
            "schema_version": schema_version,
            "state": msgspec.json.encode(snapshot.state).decode(),
        }
        for snapshot in taken
    ]
    await uow.execute(_WRITE, rows)
    newest = max(snapshot.version for snapshot in taken)
    await uow.execute(_REMEMBER.bindparams(aggregate_id=stream.aggregate_id, version=newest))
