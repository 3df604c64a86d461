"""The table of the events service as a SQLAlchemy object; a file in migrations/ creates it.

`store` and the RecordTables here build their SQL statements with it.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from subgraphs.events.records import AuditRecord
from subgraphs.kit.records import RecordTable

audit_events = Table(
    "audit_events",
    MetaData(),
    Column("event_id", Uuid, primary_key=True),
    Column("source", Text),
    Column("position", BigInteger),
    Column("event_type", Text),
    Column("aggregate_type", Text),
    Column("aggregate_id", Uuid),
    Column("payload", JSONB),
    Column("created_by", Text),
    Column("correlation_id", Text),
    Column("causation_id", Uuid),
    Column("occurred_at", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True)),
)

AUDIT_ROWS: Final = RecordTable(audit_events, AuditRecord)
