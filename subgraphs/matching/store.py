"""The statements of the matching service; its tables are in tables.py and migrations/."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, Uuid, any_, insert, literal, select
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session
from subgraphs.matching.tables import algorithms, musicians, requests, results

REUSE_FOR = timedelta(hours=1)
"""How long a result may be reused if its inputs have not changed."""


async def all_algorithms(session: Session) -> Sequence[Row[Any]]:
    """Return the active algorithms, by name."""
    return await session.fetch_all(
        select(algorithms).where(algorithms.c.is_active).order_by(algorithms.c.name)
    )


async def algorithms_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return algorithms by id, also inactive ones."""
    rows = await session.fetch_all(select(algorithms).where(algorithms.c.id == any_(_array(ids))))
    return {row.id: row for row in rows}


async def requests_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return the copies of requests by id."""
    rows = await session.fetch_all(select(requests).where(requests.c.request_id == any_(_array(ids))))
    return {row.request_id: row for row in rows}


async def musician(session: Session, musician_id: UUID) -> Row[Any] | None:
    """Return the copy of a musician, None if there is none."""
    return await session.fetch_one(select(musicians).where(musicians.c.musician_id == musician_id))


async def results_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return stored results by id."""
    rows = await session.fetch_all(select(results).where(results.c.id == any_(_array(ids))))
    return {row.id: row for row in rows}


async def newest_results(session: Session, algorithm_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return the newest result of each request, if it is not older than REUSE_FOR."""
    recent = results.c.created_at > session.clock.now() - REUSE_FOR
    statement = select(results).where(
        results.c.request_id == any_(_array(ids)), results.c.algorithm_id == algorithm_id
    )
    order = (results.c.request_id, results.c.created_at.desc())
    rows = await session.fetch_all(
        statement.where(recent).ext(postgresql.distinct_on(results.c.request_id)).order_by(*order)
    )
    return {row.request_id: row for row in rows}


async def add_results(session: Session, rows: Sequence[Mapping[str, Any]]) -> Sequence[Row[Any]]:
    """Insert results with one statement and return their rows."""
    return await session.fetch_all(insert(results).values([dict(row) for row in rows]).returning(results))


async def upsert_musician(session: Session, values: Mapping[str, Any]) -> None:
    """Store the copy of a musician, unless one from an event with a higher position is stored."""
    await _upsert(session, musicians, "musician_id", values)


async def upsert_request(session: Session, values: Mapping[str, Any]) -> None:
    """Store the copy of a request, unless one from an event with a higher position is stored."""
    await _upsert(session, requests, "request_id", values)


async def _upsert(session: Session, table: Table, key: str, values: Mapping[str, Any]) -> None:
    added = postgresql.insert(table).values(**values)
    changes = {name: added.excluded[name] for name in values if name != key}
    newer = table.c.position < added.excluded.position
    await session.execute(added.on_conflict_do_update(index_elements=[key], set_=changes, where=newer))


def _array(ids: Sequence[UUID]) -> Any:
    return literal(list(ids), postgresql.ARRAY(Uuid))
