"""The tables of the requests service as SQLAlchemy objects; the files in migrations/ create them.

`store` and the RecordTables here build their SQL statements with them.
"""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

from subgraphs.kit.records import RecordTable
from subgraphs.requests.records import ApplicationRecord, BookingRecord, RequestRecord

_METADATA = MetaData()

requests = Table(
    "musician_requests",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("client_id", Uuid),
    Column("title", Text),
    Column("description", Text),
    Column("event_date", Date),
    Column("start_time", Time),
    Column("end_time", Time),
    Column("time_zone", Text),
    Column("starts_at", DateTime(timezone=True)),
    Column("ends_at", DateTime(timezone=True)),
    Column("budget_min", Numeric(10, 2)),
    Column("budget_max", Numeric(10, 2)),
    Column("currency", Text),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("address", Text),
    Column("city", Text),
    Column("country", Text),
    Column("required_skill_ids", ARRAY(Uuid)),
    Column("status", Text),
    Column("urgency_level", Text),
    Column("version", Integer),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

applications = Table(
    "applications",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("request_id", Uuid),
    Column("musician_id", Uuid),
    Column("musician_user_id", Uuid),
    Column("message", Text),
    Column("proposed_price", Numeric(10, 2)),
    Column("status", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

bookings = Table(
    "bookings",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("request_id", Uuid),
    Column("application_id", Uuid),
    Column("client_id", Uuid),
    Column("musician_id", Uuid),
    Column("musician_user_id", Uuid),
    Column("starts_at", DateTime(timezone=True)),
    Column("ends_at", DateTime(timezone=True)),
    Column("time_zone", Text),
    Column("price", Numeric(10, 2)),
    Column("currency", Text),
    Column("status", Text),
    Column("expires_at", DateTime(timezone=True)),
    Column("is_offered", Boolean),
    Column("objection", Text),
    Column("version", Integer),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

known_musicians = Table(
    "known_musicians",
    _METADATA,
    Column("musician_id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("position", Integer),
)

REQUEST_ROWS: Final = RecordTable(requests, RequestRecord)
APPLICATION_ROWS: Final = RecordTable(applications, ApplicationRecord)
BOOKING_ROWS: Final = RecordTable(bookings, BookingRecord)
