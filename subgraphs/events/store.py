"""The statements of the events service; its table is in tables.py and migrations/."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from subgraphs.events.tables import audit_events
from subgraphs.kit.database import Session
from subgraphs.kit.messages import Envelope
from subgraphs.kit.pagination import Order, Page

NEWEST = Order("audit_newest", audit_events.c.occurred_at, datetime, audit_events.c.event_id, descending=True)
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_ENVELOPE_COLUMNS = [column.name for column in audit_events.c if column.name != "recorded_at"]
MAX_EVENTS = 200  # effects of one event, and events of one correlation id


@dataclass(frozen=True, slots=True)
class AuditCriteria:
    """Conditions on events, joined by AND; a None field is no condition."""

    aggregate_id: UUID | None = None
    correlation_id: str | None = None
    created_by: str | None = None
    source: str | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        columns = audit_events.c
        equal = ("aggregate_id", "correlation_id", "created_by", "source", "event_type")
        clauses = [columns[name] == getattr(self, name) for name in equal if getattr(self, name) is not None]
        if self.since is not None:
            clauses.append(columns.occurred_at >= self.since)
        if self.until is not None:
            clauses.append(columns.occurred_at < self.until)
        return clauses


async def add(session: Session, envelope: Envelope) -> None:
    """Store an event; a stored event with the same id is not changed."""
    row = {name: getattr(envelope, name) for name in _ENVELOPE_COLUMNS}
    row["payload"] = dict(envelope.payload)
    await session.execute(postgresql.insert(audit_events).values(row).on_conflict_do_nothing())


async def by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return events by id."""
    rows = await session.fetch_all(
        select(audit_events).where(audit_events.c.event_id == any_(_IDS)), ids=list(ids)
    )
    return {row.event_id: row for row in rows}


async def consequences(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, list[Row[Any]]]:
    """Return the direct effects of events, by the causing event, ordered by time; at most MAX_EVENTS each."""
    effects = select(audit_events).where(audit_events.c.causation_id == any_(_IDS))
    rows = await session.fetch_all(
        effects.order_by(audit_events.c.occurred_at, audit_events.c.event_id), ids=list(ids)
    )
    by_cause: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        if len(by_cause[row.causation_id]) < MAX_EVENTS:
            by_cause[row.causation_id].append(row)
    return by_cause


async def page(session: Session, criteria: AuditCriteria, page: Page) -> Sequence[Row[Any]]:
    """Return the rows of a page of events, and one more if there is a next page."""
    return await session.fetch_all(page.select(select(audit_events).where(*criteria.conditions())))


async def count(session: Session, criteria: AuditCriteria) -> int:
    """Return the number of events that fulfil the criteria."""
    counted = select(func.count()).select_from(audit_events).where(*criteria.conditions())
    return int(await session.fetch_value(counted))


async def by_correlation(session: Session, correlation_id: str) -> Sequence[Row[Any]]:
    """Return the events of a request or saga, ordered by time; at most MAX_EVENTS."""
    columns = audit_events.c
    events = select(audit_events).where(columns.correlation_id == correlation_id)
    return await session.fetch_all(events.order_by(columns.occurred_at, columns.event_id).limit(MAX_EVENTS))
