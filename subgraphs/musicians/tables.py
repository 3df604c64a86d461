"""The tables of the musicians service as SQLAlchemy objects; the files in migrations/ create them.

`store` and the RecordTables here build their SQL statements with them.
"""

from typing import Final

from sqlalchemy import Column, DateTime, Double, Integer, MetaData, Numeric, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from subgraphs.kit.records import RecordTable
from subgraphs.musicians.model import Profile, SkillRecord

_METADATA = MetaData()

profiles = Table(
    "musician_profiles",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("stage_name", Text),
    Column("bio", Text),
    Column("hourly_rate", Numeric(10, 2)),
    Column("currency", Text),
    Column("experience_years", Integer),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("address", Text),
    Column("city", Text),
    Column("country", Text),
    Column("availability_schedule", JSONB),
    Column("portfolio_urls", JSONB),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("version", Integer),
)

skills = Table(
    "musical_skills",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("category", Text),
    Column("description", Text),
    Column("icon_url", Text),
)

musician_skills = Table(
    "musician_skills",
    _METADATA,
    Column("musician_id", Uuid, primary_key=True),
    Column("skill_id", Uuid, primary_key=True),
)

documents = Table(
    "musician_documents",
    _METADATA,
    Column("musician_id", Uuid, primary_key=True),
    Column("document", JSONB),
    Column("updated_at", DateTime(timezone=True)),
)

PROFILE_ROWS: Final = RecordTable(profiles, Profile)
SKILL_ROWS: Final = RecordTable(skills, SkillRecord)
