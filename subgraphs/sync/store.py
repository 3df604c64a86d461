"""Reads syncs, logs and checks for admins, and records replays and checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from subgraphs.kit.database import Session
from subgraphs.kit.pagination import Order, Page
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync.tables import consistency_checks, pending_syncs, sync_logs

NEWEST_SYNCS = Order(
    "syncs_newest", pending_syncs.c.created_at, datetime, pending_syncs.c.id, descending=True
)
NEWEST_CHECKS = Order(
    "checks_newest", consistency_checks.c.created_at, datetime, consistency_checks.c.id, descending=True
)
NEWEST_LOGS = Order("sync_logs_newest", sync_logs.c.created_at, datetime, sync_logs.c.id, descending=True)
_OLD_CHECKS = text("DELETE FROM consistency_checks WHERE created_at < now() - interval '30 days'")
_TARGETS = text("""
SELECT known.source_service, known.target_service, known.event_types, known.seen_at,
    coalesce(pending, 0) AS pending, coalesce(processing, 0) AS processing, coalesce(retrying, 0) AS retrying,
    coalesce(failed, 0) AS failed, coalesce(completed, 0) AS completed, latencies
FROM sync_consumers AS known
LEFT JOIN (
    SELECT source_service, target_service, count(*) FILTER (WHERE status = 'pending') AS pending,
        count(*) FILTER (WHERE status = 'processing') AS processing, count(*) FILTER (WHERE status = 'retry') AS retrying,
        count(*) FILTER (WHERE status = 'failed') AS failed
    FROM pending_syncs WHERE status <> 'completed' GROUP BY source_service, target_service
) AS open USING (source_service, target_service)
LEFT JOIN (
    SELECT source_service, target_service, count(*) AS completed,
        percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency_ms) AS latencies
    FROM sync_logs WHERE created_at > now() - interval '1 hour' AND outcome IN ('done', 'gap', 'stale')
    GROUP BY source_service, target_service
) AS lately USING (source_service, target_service)
ORDER BY known.source_service, known.target_service""")
_CONFLICT = ("stale", "gap")


@dataclass(frozen=True, slots=True)
class SyncCriteria:
    """A filter of rows; a field that is None does not restrict."""

    status: str | None = None
    outcome: str | None = None
    source_service: str | None = None
    target_service: str | None = None
    entity_id: UUID | None = None
    sync_id: UUID | None = None

    def conditions(self, table: Any) -> list[ColumnElement[bool]]:
        """Return the filter as SQL conditions, for the columns that the table has."""
        return [
            table.c[name] == getattr(self, name)
            for name in self.__dataclass_fields__
            if name in table.c and getattr(self, name) is not None
        ]


def _select(table: Any, criteria: SyncCriteria) -> Select[Any]:
    return select(table).where(*criteria.conditions(table))


async def syncs_page(session: Session, criteria: SyncCriteria, page: Page) -> Sequence[Row[Any]]:
    """Return a page of syncs, newest first."""
    return await session.fetch_all(page.select(_select(pending_syncs, criteria)))


async def logs_page(session: Session, criteria: SyncCriteria, page: Page) -> Sequence[Row[Any]]:
    """Return a page of log entries, newest first."""
    return await session.fetch_all(page.select(_select(sync_logs, criteria)))


async def count(session: Session, table: Any, criteria: SyncCriteria) -> int:
    """Return the number of matching rows."""
    query = select(func.count()).select_from(table).where(*criteria.conditions(table))
    return int(await session.fetch_value(query))


async def targets(session: Session) -> Sequence[Row[Any]]:
    """Return every pair of publishing and consuming service with its figures."""
    return await session.fetch_all(_TARGETS)


async def last_conflicts(session: Session) -> dict[tuple[str, str], Row[Any]]:
    """Return the last conflict of each pair of publishing and consuming service."""
    columns = sync_logs.c
    found = (
        select(sync_logs)
        .ext(distinct_on(columns.source_service, columns.target_service))
        .where(columns.outcome.in_(_CONFLICT))
        .order_by(columns.source_service, columns.target_service, columns.created_at.desc())
    )
    return {(row.source_service, row.target_service): row for row in await session.fetch_all(found)}


async def add_checks(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store the results of a consistency check, and delete those older than 30 days."""
    made = {"created_at": func.clock_timestamp(), "id": func.gen_random_uuid()}
    for row in rows:
        await session.execute(insert(consistency_checks).values({**row, **made}))
    await session.execute(_OLD_CHECKS)


async def checks_page(session: Session, page: Page) -> Sequence[Row[Any]]:
    """Return a page of results of consistency checks, newest first."""
    return await session.fetch_all(page.select(select(consistency_checks)))


async def sync(session: Session, key: UUID) -> Row[Any] | None:
    """Return the sync with this id."""
    return await session.fetch_one(select(pending_syncs).where(pending_syncs.c.id == key))


async def lock_sync(uow: UnitOfWork, key: UUID) -> Row[Any] | None:
    """Return the sync with this id, locked until the end of the unit of work."""
    return await uow.fetch_one(select(pending_syncs).where(pending_syncs.c.id == key).with_for_update())


async def record_replay(uow: UnitOfWork, row: Row[Any], by: UUID, reason: str) -> None:
    """Set the sync to "processing", and log the replay with who ordered it and why."""
    now = func.clock_timestamp()
    change = pending_syncs.update().where(pending_syncs.c.id == row.id)
    await uow.execute(change.values(status="processing", updated_at=now))
    names = (
        "source_service",
        "target_service",
        "entity_type",
        "entity_id",
        "event_type",
        "operation",
        "retry_count",
    )
    copied = {name: getattr(row, name) for name in names}
    values = {**copied, "sync_id": row.id, "outcome": "replay", "error_message": reason, "ordered_by": by}
    await uow.execute(sync_logs.insert().values({"id": func.gen_random_uuid(), "created_at": now, **values}))
