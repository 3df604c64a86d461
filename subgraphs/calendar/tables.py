"""The tables of the calendar service as SQLAlchemy objects; the files in migrations/ create them.

`store` builds its SQL statements with them.
"""

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import TSTZRANGE

_METADATA = MetaData()

slots = Table(
    "slots",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("musician_id", Uuid),
    Column("musician_user_id", Uuid),
    Column("booking_id", Uuid),
    Column("kind", Text),
    Column("during", TSTZRANGE),
    Column("time_zone", Text),
    Column("title", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("cancelled_at", DateTime(timezone=True)),
    Column("cancelled_by", Text),
)

known_musicians = Table(
    "known_musicians",
    _METADATA,
    Column("musician_id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("position", BigInteger),
)
