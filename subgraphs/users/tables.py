"""The tables of the users service as SQLAlchemy objects; the files in migrations/ create them.

`store` builds its SQL statements with them.
"""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

_METADATA = MetaData()

users = Table(
    "users",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("username", Text),
    Column("email", Text),
    Column("password_hash", Text),
    Column("user_type", Text),
    Column("is_active", Boolean),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("email_confirmed_at", DateTime(timezone=True)),
)

profiles = Table(
    "user_profiles",
    _METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("phone", Text),
    Column("date_of_birth", Date),
    Column("profile_picture_url", Text),
    Column("preferences", JSONB),
    Column("picture", Text),
)

attempts = Table(
    "login_attempts",
    _METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("subject", Text),
    Column("attempted_at", DateTime(timezone=True)),
)
