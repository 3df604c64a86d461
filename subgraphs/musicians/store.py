"""The tables of musicians, and the statements over them. The tables are created in `migrations/`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    Row,
    Table,
    Text,
    Uuid,
    any_,
    cast,
    delete,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.pagination import Order, Page
from subgraphs.musicians.model import Profile, SkillRecord

_metadata = MetaData()

profiles = Table(
    "musician_profiles",
    _metadata,
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
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("category", Text),
    Column("description", Text),
    Column("icon_url", Text),
)

musician_skills = Table(
    "musician_skills",
    _metadata,
    Column("musician_id", Uuid, primary_key=True),
    Column("skill_id", Uuid, primary_key=True),
)

documents = Table(
    "musician_documents",
    _metadata,
    Column("musician_id", Uuid, primary_key=True),
    Column("document", JSONB),
    Column("updated_at", DateTime(timezone=True)),
)


def _order(name: str, column: str, kind: type, *, descending: bool = False) -> Order:
    return Order(f"musicians:{name}", profiles.c[column], kind, profiles.c.id, descending)


ORDERS = {
    "newest": _order("newest", "created_at", datetime, descending=True),
    "rate_asc": _order("rate_asc", "hourly_rate", Decimal),
    "rate_desc": _order("rate_desc", "hourly_rate", Decimal, descending=True),
    "experience_desc": _order("experience_desc", "experience_years", int, descending=True),
    "name_asc": _order("name_asc", "stage_name", str),
}


_PROFILES_BY_IDS = select(profiles).where(among_ids(profiles.c.id))
_PROFILES_BY_USERS = select(profiles).where(among_ids(profiles.c.user_id))
_SKILLS_BY_IDS = select(skills).where(among_ids(skills.c.id))
_DOCUMENTS = select(documents).where(among_ids(documents.c.musician_id))
_SKILLS_OF_MUSICIANS = (
    select(musician_skills.c.musician_id, *skills.c)
    .join(skills, skills.c.id == musician_skills.c.skill_id)
    .where(among_ids(musician_skills.c.musician_id))
    .order_by(skills.c.category, skills.c.name)
)


async def profiles_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Profile]:
    """Return profiles by id, with one statement."""
    rows = await session.fetch_all(_PROFILES_BY_IDS, ids=ids)
    return {row.id: Profile(**row._asdict()) for row in rows}


async def profiles_by_users(session: Session, ids: Sequence[UUID]) -> dict[UUID, Profile]:
    """Return profiles by the id of their user, with one statement."""
    rows = await session.fetch_all(_PROFILES_BY_USERS, ids=ids)
    return {row.user_id: Profile(**row._asdict()) for row in rows}


async def page_of_profiles(
    session: Session, page: Page, conditions: Sequence[ColumnElement[bool]]
) -> list[Profile]:
    """Return the profiles of a page, and one more if there is a next page."""
    rows = await session.fetch_all(page.select(select(profiles).where(*conditions)))
    return [Profile(**row._asdict()) for row in rows]


async def count_profiles(session: Session, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Return the number of profiles that fulfil the conditions."""
    return int(await session.fetch_value(select(func.count()).select_from(profiles).where(*conditions)))


def has_skill(skill_id: UUID) -> ColumnElement[bool]:
    """Return the condition that a musician has a skill."""
    having = select(musician_skills.c.musician_id).where(musician_skills.c.skill_id == skill_id)
    return profiles.c.id.in_(having)


def conditions(wanted: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the SQL conditions for the filters of the list, except those for skills."""
    return [
        _CONDITIONS[name](value)
        for name, value in wanted.items()
        if value is not None and name in _CONDITIONS
    ]


_CONDITIONS: Mapping[str, Any] = {
    "city": lambda value: func.lower(profiles.c.city) == value.strip().lower(),
    "min_rate": lambda value: profiles.c.hourly_rate >= value,
    "max_rate": lambda value: profiles.c.hourly_rate <= value,
    "min_experience": lambda value: profiles.c.experience_years >= value,
    "search": lambda value: func.lower(profiles.c.stage_name).contains(
        value.strip().lower(), autoescape=True
    ),
}


async def lock(session: Session, user_id: UUID) -> Row[Any] | None:
    """Return the row of a user's profile, locked until the transaction ends; None if there is none."""
    return await session.fetch_one(select(profiles).where(profiles.c.user_id == user_id).with_for_update())


async def set_skills(session: Session, musician_id: UUID, skill_ids: Sequence[UUID]) -> None:
    """Replace a musician's skills."""
    await session.execute(delete(musician_skills).where(musician_skills.c.musician_id == musician_id))
    if skill_ids:
        rows = [{"musician_id": musician_id, "skill_id": skill_id} for skill_id in skill_ids]
        await session.execute(insert(musician_skills).values(rows))


async def set_document(session: Session, musician_id: UUID, document: Mapping[str, Any] | None) -> None:
    """Store a musician's document, or delete it if it is None."""
    if document is None:
        await session.execute(delete(documents).where(documents.c.musician_id == musician_id))
        return
    added = insert(documents).values(musician_id=musician_id, document=dict(document))
    await session.execute(
        added.on_conflict_do_update(
            index_elements=["musician_id"],
            set_={"document": added.excluded.document, "updated_at": func.now()},
        )
    )


async def documents_by_musicians(session: Session, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return documents by musician, with one statement."""
    rows = await session.fetch_all(_DOCUMENTS, ids=ids)
    return {row.musician_id: row.document for row in rows}


async def skills_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, SkillRecord]:
    """Return skills by id, with one statement."""
    rows = await session.fetch_all(_SKILLS_BY_IDS, ids=ids)
    return {row.id: SkillRecord(**row._asdict()) for row in rows}


async def skills_by_keys(session: Session, keys: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of skills by the given keys, which are ids or names in any case; the result is in
    lower case.
    """
    name, wanted = func.lower(skills.c.name), any_(literal([key.lower() for key in keys], ARRAY(Text)))
    called = (name == wanted) | (cast(skills.c.id, Text) == wanted)
    rows = await session.fetch_all(select(skills.c.id, name.label("name")).where(called))
    return {key: row.id for row in rows for key in (row.name, str(row.id))}


async def skills_by_musicians(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[SkillRecord]]:
    """Return the skills of each musician, ordered by category and name, with one statement."""
    found: dict[UUID, list[SkillRecord]] = {}
    for row in await session.fetch_all(_SKILLS_OF_MUSICIANS, ids=ids):
        columns = row._asdict()
        found.setdefault(columns.pop("musician_id"), []).append(SkillRecord(**columns))
    return found


async def catalogue(session: Session, category: str | None) -> list[SkillRecord]:
    """Return all skills, or those of a category."""
    statement = select(skills).order_by(skills.c.category, skills.c.name)
    chosen = statement.where(skills.c.category == category) if category else statement
    return [SkillRecord(**row._asdict()) for row in await session.fetch_all(chosen)]
