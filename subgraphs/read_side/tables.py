"""The read models as SQLAlchemy tables, for queries.

In the database they are views over the tables of the serving generation, which the projections create.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.sql.schema import SchemaItem

from subgraphs.kit.records import RecordTable
from subgraphs.read_side.records import ActiveSummary, ListedMusician, ListedRequest, RankedRecord

_METADATA = MetaData()


def _musician_columns() -> list[SchemaItem]:
    return [
        Column("musician_id", Uuid),
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
        Column("skill_ids", ARRAY(Uuid)),
        Column("skills", ARRAY(Text)),
        Column("rating_sum", BigInteger),
        Column("total_reviews", Integer),
        Column("rating", Numeric),
        Column("rating_order", Numeric),
        Column("last_active", DateTime(timezone=True)),
        Column("is_active", Boolean),
        Column("is_available", Boolean),
        Column("search", TSVECTOR),
    ]


musicians = Table("musician_read_model", _METADATA, *_musician_columns())
top_musicians = Table("v_top_musicians", _METADATA, *_musician_columns())

requests = Table(
    "request_read_model",
    _METADATA,
    Column("request_id", Uuid),
    Column("client_id", Uuid),
    Column("client_name", Text),
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
    Column("required_skills", ARRAY(Text)),
    Column("status", Text),
    Column("urgency_level", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("total_applications", Integer),
    Column("search", TSVECTOR),
)
active_requests = Table(
    "v_active_requests_summary",
    _METADATA,
    Column("status", Text),
    Column("currency", Text),
    Column("requests", BigInteger),
    Column("mean_age_days", Double),
    Column("mean_budget_min", Numeric),
    Column("mean_budget_max", Numeric),
)

matches = Table(
    "matching_read_model",
    _METADATA,
    Column("request_id", Uuid),
    Column("musician_id", Uuid),
    Column("total_score", Double),
    Column("skill_score", Double),
    Column("experience_score", Double),
    Column("price_score", Double),
    Column("distance_score", Double),
    Column("distance_km", Double),
    Column("is_recommended", Boolean),
    Column("ranking_position", Integer),
)
rankings = Table(
    "matching_rankings",
    _METADATA,
    Column("request_id", Uuid),
    Column("client_id", Uuid),
    Column("result_id", Uuid),
    Column("ranked_at", DateTime(timezone=True)),
)

_SEARCH: Final = ("search",)  # the words of the full text search, which no query returns
MUSICIAN_ROWS: Final = RecordTable(musicians, ListedMusician, _SEARCH)
TOP_MUSICIAN_ROWS: Final = RecordTable(top_musicians, ListedMusician, _SEARCH)
REQUEST_ROWS: Final = RecordTable(requests, ListedRequest, _SEARCH)
ACTIVE_ROWS: Final = RecordTable(active_requests, ActiveSummary)
RANKED_ROWS: Final = RecordTable(matches, RankedRecord)
