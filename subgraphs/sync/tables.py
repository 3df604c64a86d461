"""The tables of the sync service as SQLAlchemy objects; the files in migrations/ create them.

`store` and the RecordTables here build their SQL statements with them.
"""

from typing import Final

from sqlalchemy import Column, DateTime, Float, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from subgraphs.kit.records import RecordTable
from subgraphs.sync.records import CheckRecord, SyncLogRecord, SyncRecord

_meta = MetaData()

sync_consumers = Table(
    "sync_consumers",
    _meta,
    Column("source_service", Text, primary_key=True),
    Column("target_service", Text, primary_key=True),
    Column("event_types", ARRAY(Text)),
    Column("seen_at", DateTime(timezone=True)),
)
pending_syncs = Table(
    "pending_syncs",
    _meta,
    Column("id", Uuid, primary_key=True),
    Column("event_id", Uuid),
    Column("source_service", Text),
    Column("target_service", Text),
    Column("entity_type", Text),
    Column("entity_id", Uuid),
    Column("event_type", Text),
    Column("operation", Text),
    Column("data", JSONB),
    Column("status", Text),
    Column("retry_count", Integer),
    Column("max_retries", Integer),
    Column("error_message", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)
sync_logs = Table(
    "sync_logs",
    _meta,
    Column("id", Uuid, primary_key=True),
    Column("sync_id", Uuid),
    Column("source_service", Text),
    Column("target_service", Text),
    Column("entity_type", Text),
    Column("entity_id", Uuid),
    Column("event_type", Text),
    Column("operation", Text),
    Column("outcome", Text),
    Column("retry_count", Integer),
    Column("error_message", Text),
    Column("latency_ms", Float),
    Column("processing_time_ms", Float),
    Column("data_size_bytes", Integer),
    Column("ordered_by", Uuid),
    Column("created_at", DateTime(timezone=True)),
)
consistency_checks = Table(
    "consistency_checks",
    _meta,
    Column("id", Uuid, primary_key=True),
    Column("entity_type", Text),
    Column("source_service", Text),
    Column("target_service", Text),
    Column("compared", Integer),
    Column("missing", Integer),
    Column("older", Integer),
    Column("different", Integer),
    Column("extra", Integer),
    Column("repaired", Integer),
    Column("examples", ARRAY(Text)),
    Column("error_message", Text),
    Column("processing_time_ms", Float),
    Column("created_at", DateTime(timezone=True)),
)

SYNC_ROWS: Final = RecordTable(pending_syncs, SyncRecord)
LOG_ROWS: Final = RecordTable(sync_logs, SyncLogRecord)
CHECK_ROWS: Final = RecordTable(consistency_checks, CheckRecord)
