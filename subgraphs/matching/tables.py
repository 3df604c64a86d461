"""The tables of the matching service as SQLAlchemy objects; the files in migrations/ create them.

`store` and the RecordTables here build their SQL statements with them.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from subgraphs.kit.records import RecordTable
from subgraphs.matching.records import AlgorithmRecord, MusicianCopy, RequestCopy, ResultRecord

_METADATA = MetaData()

algorithms = Table(
    "matching_algorithms",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("description", Text),
    Column("parameters", JSONB),
    Column("is_active", Boolean),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

results = Table(
    "matching_results",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("request_id", Uuid),
    Column("algorithm_id", Uuid),
    Column("musician_scores", JSONB),
    Column("candidates", Integer),
    Column("request_position", BigInteger),
    Column("algorithm_version", DateTime(timezone=True)),
    Column("musicians_version", BigInteger),
    Column("execution_time_ms", Double),
    Column("cache_hit", Boolean),
    Column("created_at", DateTime(timezone=True), server_default=func.now()),
)

musicians = Table(
    "matching_musicians",
    _METADATA,
    Column("musician_id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("stage_name", Text),
    Column("hourly_rate", Numeric(10, 2)),
    Column("currency", Text),
    Column("experience_years", Integer),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("skill_ids", ARRAY(Uuid)),
    Column("position", BigInteger),
    Column("version", Integer),
)

requests = Table(
    "matching_requests",
    _METADATA,
    Column("request_id", Uuid, primary_key=True),
    Column("client_id", Uuid),
    Column("title", Text),
    Column("status", Text),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("starts_at", DateTime(timezone=True)),
    Column("ends_at", DateTime(timezone=True)),
    Column("time_zone", Text),
    Column("budget_min", Numeric(10, 2)),
    Column("budget_max", Numeric(10, 2)),
    Column("currency", Text),
    Column("urgency_level", Text),
    Column("skill_ids", ARRAY(Uuid)),
    Column("position", BigInteger),
    Column("version", Integer),
)

ALGORITHM_ROWS: Final = RecordTable(algorithms, AlgorithmRecord)
RESULT_ROWS: Final = RecordTable(results, ResultRecord)
MUSICIAN_ROWS: Final = RecordTable(musicians, MusicianCopy)
REQUEST_ROWS: Final = RecordTable(requests, RequestCopy)
