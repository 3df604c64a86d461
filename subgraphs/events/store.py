"""What the events service reads and writes; the table itself is in tables.py and migrations/."""

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
_GIVEN = [column.name for column in audit_events.c if column.name != "recorded_at"]
MOST = 200  # consequences of one event, and events of one chain


@dataclass(frozen=True, slots=True)
class AuditCriteria:
    """Which events; what is None does not narrow."""

    aggregate_id: UUID | None = None
    correlation_id: str | None = None
    created_by: str | None = None
    source: str | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter in SQL."""
        columns = audit_events.c
        equal = ("aggregate_id", "correlation_id", "created_by", "source", "event_type")
        found = [columns[name] == getattr(self, name) for name in equal if getattr(self, name) is not None]
        if self.since is not None:
            found.append(columns.occurred_at >= self.since)
        if self.until is not None:
            found.append(columns.occurred_at < self.until)
        return found


async def add(session: Session, envelope: Envelope) -> None:
    """Keep an event; one that is here already stays as it is."""
    row = {name: getattr(envelope, name) for name in _GIVEN}
    row["payload"] = dict(envelope.payload)
    await session.execute(postgresql.insert(audit_events).values(row).on_conflict_do_nothing())


async def by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Events by id."""
    rows = await session.fetch_all(
        select(audit_events).where(audit_events.c.event_id == any_(_IDS)), ids=list(ids)
    )
    return {row.event_id: row for row in rows}


async def consequences(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, list[Row[Any]]]:
    """The events that some events led to, in their order."""
    led = select(audit_events).where(audit_events.c.causation_id == any_(_IDS))
    rows = await session.fetch_all(
        led.order_by(audit_events.c.occurred_at, audit_events.c.event_id), ids=list(ids)
    )
    found: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        if len(found[row.causation_id]) < MOST:
            found[row.causation_id].append(row)
    return found


async def page(session: Session, wanted: AuditCriteria, page: Page) -> Sequence[Row[Any]]:
    """A page of events, newest first."""
    return await session.fetch_all(page.select(select(audit_events).where(*wanted.conditions())))


async def count(session: Session, wanted: AuditCriteria) -> int:
    """How many events there are."""
    counted = select(func.count()).select_from(audit_events).where(*wanted.conditions())
    return int(await session.fetch_value(counted))


async def together(session: Session, correlation_id: str) -> Sequence[Row[Any]]:
    """What belongs to one request or saga, in the order in which it happened."""
    columns = audit_events.c
    found = select(audit_events).where(columns.correlation_id == correlation_id)
    return await session.fetch_all(found.order_by(columns.occurred_at, columns.event_id).limit(MOST))
