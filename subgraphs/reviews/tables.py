"""The tables of the reviews service as SQLAlchemy objects; the files in migrations/ create them.

`store` and the RecordTables here build their SQL statements with them.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from subgraphs.kit.records import RecordTable
from subgraphs.reviews.model import ReviewRecord

_METADATA = MetaData()

reviews = Table(
    "reviews",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid),
    Column("musician_id", Uuid),
    Column("author_id", Uuid),
    Column("rating", SmallInteger),
    Column("text", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

bookings = Table(
    "completed_bookings",
    _METADATA,
    Column("booking_id", Uuid, primary_key=True),
    Column("request_id", Uuid),
    Column("client_id", Uuid),
    Column("musician_id", Uuid),
    Column("musician_user_id", Uuid),
    Column("title", Text),
    Column("ends_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
)

paid_bookings = Table(
    "paid_bookings",
    _METADATA,
    Column("booking_id", Uuid, primary_key=True),
    Column("is_paid", Boolean),
    Column("version", Integer),
)

ratings = Table(
    "musician_ratings",
    _METADATA,
    Column("musician_id", Uuid, primary_key=True),
    Column("rating_sum", BigInteger),
    Column("total_reviews", BigInteger),
)

REVIEW_ROWS: Final = RecordTable(reviews, ReviewRecord)
