"""The SQL statements of the events service that `RecordTable` does not have; its table is in `tables`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects import postgresql

from subgraphs.events.records import AuditRecord
from subgraphs.events.tables import AUDIT_ROWS, audit_events
from subgraphs.kit.aggregates_in_schema import AggregateType
from subgraphs.kit.between import EVER, Between
from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.messages import Envelope
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import grouped, records, values_of

NEWEST = Order("audit_newest", audit_events.c.occurred_at, datetime, audit_events.c.event_id, descending=True)
_IN_ORDER = (audit_events.c.occurred_at, audit_events.c.event_id)
_EFFECTS = select(audit_events).where(among_ids(audit_events.c.causation_id)).order_by(*_IN_ORDER)
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
    aggregate_type: AggregateType | None = None
    occurred: Between = EVER

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions on the table of events."""
        columns = audit_events.c
        equal = ("aggregate_id", "correlation_id", "created_by", "source", "event_type")
        clauses = [columns[name] == getattr(self, name) for name in equal if getattr(self, name) is not None]
        if self.aggregate_type is not None:
            clauses.append(self.aggregate_type.condition(columns.aggregate_type))
        return [*clauses, *self.occurred.conditions(columns.occurred_at)]


async def add(session: Session, envelope: Envelope) -> None:
    """Insert an event, unless an event with the same id is stored."""
    row = {**values_of(envelope, *_ENVELOPE_COLUMNS), "payload": dict(envelope.payload)}
    await session.execute(postgresql.insert(audit_events).values(row).on_conflict_do_nothing())


async def consequences(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, list[AuditRecord]]:
    """Return the events that each of the events `ids` has caused directly, by the id of the causing event.

    They are ordered by time; at most MAX_EVENTS per cause.
    """
    effects = grouped(records(AuditRecord, await session.fetch_all(_EFFECTS, ids=ids)), "causation_id")
    return {cause: events[:MAX_EVENTS] for cause, events in effects.items()}


async def by_correlation(session: Session, correlation_id: str) -> list[AuditRecord]:
    """Return the events with this correlation id (of one request or saga), ordered by time; at most
    MAX_EVENTS.
    """
    events = select(audit_events).where(audit_events.c.correlation_id == correlation_id)
    return await AUDIT_ROWS.fetch_all(session, events.order_by(*_IN_ORDER).limit(MAX_EVENTS))
