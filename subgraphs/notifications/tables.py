"""The tables of the notifications service as SQLAlchemy objects; the files in migrations/ create them.

`store` and the RecordTables here build their SQL statements with them.
"""

from typing import Final

from sqlalchemy import Boolean, Column, DateTime, MetaData, Table, Text, Time, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from subgraphs.kit.records import RecordTable
from subgraphs.notifications.model import NotificationRecord

_METADATA = MetaData()

notifications = Table(
    "notifications",
    _METADATA,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("user_id", Uuid),
    Column("type", Text),
    Column("title", Text),
    Column("message", Text),
    Column("data", JSONB),
    Column("is_urgent", Boolean),
    Column("is_read", Boolean),
    Column("read_at", DateTime(timezone=True)),
    Column("appears_at", DateTime(timezone=True)),
    Column("channels", ARRAY(Text)),
    Column("deliver_after", DateTime(timezone=True)),
    Column("sent_at", DateTime(timezone=True)),
    Column("event_id", Uuid),
    Column("is_held", Boolean),
    Column("is_announced", Boolean),
    Column("created_at", DateTime(timezone=True)),
)

settings = Table(
    "user_notification_settings",
    _METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("email_enabled", Boolean),
    Column("push_enabled", Boolean),
    Column("sms_enabled", Boolean),
    Column("notification_types", JSONB),
    Column("quiet_hours_start", Time),
    Column("quiet_hours_end", Time),
    Column("time_zone", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

NOTIFICATION_ROWS: Final = RecordTable(notifications, NotificationRecord)
