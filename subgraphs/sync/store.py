"""The SQL statements of the sync service's queries and checks; its tables are in `tables`.

`recording` has the statements that write syncs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, insert, not_, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from subgraphs.kit.aggregates_in_schema import AggregateType
from subgraphs.kit.between import EVER, Between
from subgraphs.kit.database import Session
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import records, values_of
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync.records import SyncLogRecord, SyncRecord, TargetRecord
from subgraphs.sync.tables import LOG_ROWS, consistency_checks, pending_syncs, sync_logs

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
        count(*) FILTER (WHERE status = 'processing') AS processing,
        count(*) FILTER (WHERE status = 'retry') AS retrying,
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
_REPLAYED = (
    "source_service",
    "target_service",
    "entity_type",
    "entity_id",
    "event_type",
    "operation",
    "retry_count",
)
"""The columns that the log entry of a replay copies from its sync."""


@dataclass(frozen=True, slots=True)
class SyncCriteria:
    """Conditions on rows of syncs or log entries, joined by AND; a None field is no condition."""

    status: str | None = None
    outcome: str | None = None
    operation: str | None = None
    source_service: str | None = None
    target_service: str | None = None
    entity_type: AggregateType | None = None
    entity_id: UUID | None = None
    event_type: str | None = None
    sync_id: UUID | None = None
    created: Between = EVER

    def conditions(self, table: Table) -> list[ColumnElement[bool]]:
        """Return the SQL conditions; a field without a column of this name in `table` is ignored."""
        found = [
            table.c[name] == getattr(self, name)
            for name in self.__dataclass_fields__
            if name in table.c and name != "entity_type" and getattr(self, name) is not None
        ]
        if self.entity_type is not None:
            found.append(self.entity_type.condition(table.c.entity_type))
        return [*found, *self.created.conditions(table.c.created_at)]


@dataclass(frozen=True, slots=True)
class CheckCriteria:
    """Conditions on consistency checks, joined by AND; a None field is no condition."""

    kind: str | None = None
    target_service: str | None = None
    has_differences: bool | None = None
    created: Between = EVER

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        columns = consistency_checks.c
        found = list(self.created.conditions(columns.created_at))
        if self.kind is not None:
            found.append(columns.entity_type == self.kind)
        if self.target_service is not None:
            found.append(columns.target_service == self.target_service)
        if self.has_differences is not None:
            sum_of_all = columns.missing + columns.older + columns.different + columns.extra
            differs = (sum_of_all > 0) | (columns.error_message != "")
            found.append(differs if self.has_differences else not_(differs))
        return found


async def targets(session: Session) -> list[TargetRecord]:
    """Return a record for every pair of publishing and consuming service, ordered by their names."""
    return records(TargetRecord, await session.fetch_all(_TARGETS))


async def last_conflicts(session: Session) -> dict[tuple[str, str], SyncLogRecord]:
    """Return the last conflict between each publishing and consuming service, by the pair of their names.

    A conflict is an event with the outcome `stale` or `gap`: it arrived late, or an earlier one was missing.
    """
    columns = sync_logs.c
    newest = (
        select(sync_logs)
        .ext(distinct_on(columns.source_service, columns.target_service))
        .where(columns.outcome.in_(_CONFLICT))
        .order_by(columns.source_service, columns.target_service, columns.created_at.desc())
    )
    found = await LOG_ROWS.fetch_all(session, newest)
    return {(conflict.source_service, conflict.target_service): conflict for conflict in found}


async def add_checks(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the results of a consistency check, and delete results that are older than 30 days."""
    made = {"created_at": func.clock_timestamp(), "id": func.gen_random_uuid()}
    for row in rows:
        await session.execute(insert(consistency_checks).values({**row, **made}))
    await session.execute(_OLD_CHECKS)


async def record_replay(uow: UnitOfWork, sync: SyncRecord, by: UUID, reason: str) -> None:
    """Set the status of a sync to "processing", and log the replay with its reason and the admin `by`."""
    now = func.clock_timestamp()
    change = pending_syncs.update().where(pending_syncs.c.id == sync.id)
    await uow.execute(change.values(status="processing", updated_at=now))
    values = {
        **values_of(sync, *_REPLAYED),
        "sync_id": sync.id,
        "outcome": "replay",
        "error_message": reason,
        "ordered_by": by,
    }
    await uow.execute(sync_logs.insert().values({"id": func.gen_random_uuid(), "created_at": now, **values}))
