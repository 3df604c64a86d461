"""The SQL statements of the musicians service that `RecordTable` does not have; its tables are in
`tables`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, any_, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.pagination import Order
from subgraphs.musicians.model import SkillRecord
from subgraphs.musicians.tables import SKILL_ROWS, documents, musician_skills, profiles, skills


def _order(name: str, column: str, kind: type, *, descending: bool = False) -> Order:
    return Order(f"musicians:{name}", profiles.c[column], kind, profiles.c.id, descending)


ORDERS = {
    "newest": _order("newest", "created_at", datetime, descending=True),
    "rate_asc": _order("rate_asc", "hourly_rate", Decimal),
    "rate_desc": _order("rate_desc", "hourly_rate", Decimal, descending=True),
    "experience_desc": _order("experience_desc", "experience_years", int, descending=True),
    "name_asc": _order("name_asc", "stage_name", str),
}


_DOCUMENTS = select(documents).where(among_ids(documents.c.musician_id))
_SKILLS_OF_MUSICIANS = (
    select(musician_skills.c.musician_id, *skills.c)
    .join(skills, skills.c.id == musician_skills.c.skill_id)
    .where(among_ids(musician_skills.c.musician_id))
    .order_by(skills.c.category, skills.c.name)
)


def has_skill(skill_id: UUID) -> ColumnElement[bool]:
    """Return the SQL condition on profiles that the musician has a skill."""
    having = select(musician_skills.c.musician_id).where(musician_skills.c.skill_id == skill_id)
    return profiles.c.id.in_(having)


def conditions(wanted: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the SQL conditions on profiles for the fields of a MusicianFilter, by name, except `skills`.

    A None value is no condition.
    """
    return [
        _CONDITIONS[name](value)
        for name, value in wanted.items()
        if value is not None and name in _CONDITIONS
    ]


_CONDITIONS: Mapping[str, Any] = {
    "city": lambda value: func.lower(profiles.c.city) == value.strip().lower(),
    "min_rate": lambda value: profiles.c.hourly_rate >= value,
    "max_rate": lambda value: profiles.c.hourly_rate <= value,
    "currency": lambda value: profiles.c.currency == value,
    "min_experience": lambda value: profiles.c.experience_years >= value,
    "search": lambda value: func.lower(profiles.c.stage_name).contains(
        value.strip().lower(), autoescape=True
    ),
}


async def set_skills(session: Session, musician_id: UUID, skill_ids: Sequence[UUID]) -> None:
    """Replace all skills of a musician by those with these ids."""
    await session.execute(delete(musician_skills).where(musician_skills.c.musician_id == musician_id))
    if skill_ids:
        rows = [{"musician_id": musician_id, "skill_id": skill_id} for skill_id in skill_ids]
        await session.execute(insert(musician_skills).values(rows))


async def set_document(session: Session, musician_id: UUID, document: Mapping[str, Any] | None) -> None:
    """Insert or replace a musician's document; None deletes it."""
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
    """Return the documents of musicians, by musician id; `ids` are the musicians'."""
    rows = await session.fetch_all(_DOCUMENTS, ids=ids)
    return {row.musician_id: row.document for row in rows}


async def skills_by_keys(session: Session, keys: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of skills, by name and by id, both in lower case.

    `keys`: ids or names in any case. A skill that is found is in the result under its name and its id.
    """
    name, wanted = func.lower(skills.c.name), any_(literal([key.lower() for key in keys], ARRAY(Text)))
    called = (name == wanted) | (cast(skills.c.id, Text) == wanted)
    rows = await session.fetch_all(select(skills.c.id, name.label("name")).where(called))
    return {key: row.id for row in rows for key in (row.name, str(row.id))}


async def skills_by_musicians(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[SkillRecord]]:
    """Return the skills of musicians, by musician id, ordered by category and name."""
    found: dict[UUID, list[SkillRecord]] = {}
    for row in await session.fetch_all(_SKILLS_OF_MUSICIANS, ids=ids):
        columns = row._asdict()
        found.setdefault(columns.pop("musician_id"), []).append(SkillRecord(**columns))
    return found


async def catalogue(session: Session, category: str | None) -> list[SkillRecord]:
    """Return the skills of a category (None: all), ordered by category and name."""
    statement = select(skills).order_by(skills.c.category, skills.c.name)
    chosen = statement.where(skills.c.category == category) if category else statement
    return await SKILL_ROWS.fetch_all(session, chosen)
