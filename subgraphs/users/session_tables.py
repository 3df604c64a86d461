"""The tables of sessions as SQLAlchemy objects; migrations/0004_sessions.sql creates them."""

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, MetaData, Table, Text, Uuid

_METADATA = MetaData()

sessions = Table(
    "sessions",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("device", Text),
    Column("address", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("end_reason", Text),
)

refresh_tokens = Table(
    "refresh_tokens",
    _METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("session_id", Uuid),
    Column("used_at", DateTime(timezone=True)),
    Column("used_with", LargeBinary),
    Column("access_token_id", Text),
    Column("access_expires_at", DateTime(timezone=True)),
)

revocations = Table(
    "token_revocations",
    _METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("token_id", Text),
    Column("user_id", Uuid),
    Column("before", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("published_at", DateTime(timezone=True)),
)

devices = Table(
    "known_devices",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("token_hash", LargeBinary),
    Column("last_used_at", DateTime(timezone=True)),
)
