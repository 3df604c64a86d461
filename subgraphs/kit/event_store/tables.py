"""The event store's tables as SQLAlchemy objects; migration 0003 creates them in the database.

Readers use the view `every_event`, which includes archived events; only `append` inserts into `events`.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, which never wraps around; asyncpg represents it as an int."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's name in SQL."""
        return "xid8"


def _columns() -> list[Column[Any]]:
    return [
        Column("position", BigInteger),
        Column("event_id", Uuid),
        Column("aggregate_id", Uuid),
        Column("aggregate_type", Text),
        Column("version", Integer),
        Column("event_type", Text),
        Column("schema_version", Integer),
        Column("event_data", JSONB),
        Column("metadata", JSONB),
        Column("occurred_at", DateTime(timezone=True)),
        Column("created_by", Text),
        Column("correlation_id", Uuid),
        Column("causation_id", Uuid),
        Column("transaction_id", Xid8),
    ]


_meta = MetaData()
events = Table("events", _meta, *_columns())
every_event = Table("every_event", _meta, *_columns())
"""The view of the events in both tables, `events` and `archived_events`."""
