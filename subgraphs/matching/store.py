"""What the matching service reads and writes; the tables themselves are in tables.py and migrations/."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, Uuid, any_, insert, literal, select
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session
from subgraphs.matching.tables import algorithms, musicians, requests, results

KEPT_FOR = timedelta(hours=1)
"""How long a result may be served again, if nothing that it was computed from has changed."""


async def all_algorithms(session: Session) -> Sequence[Row[Any]]:
    """The algorithms in use."""
    return await session.fetch_all(
        select(algorithms).where(algorithms.c.is_active).order_by(algorithms.c.name)
    )


async def algorithms_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Algorithms by id, those out of use included."""
    rows = await session.fetch_all(select(algorithms).where(algorithms.c.id == any_(_array(ids))))
    return {row.id: row for row in rows}


async def requests_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Copies of requests by id."""
    rows = await session.fetch_all(select(requests).where(requests.c.request_id == any_(_array(ids))))
    return {row.request_id: row for row in rows}


async def musician(session: Session, musician_id: UUID) -> Row[Any] | None:
    """The copy of a musician."""
    return await session.fetch_one(select(musicians).where(musicians.c.musician_id == musician_id))


async def results_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Stored results by id."""
    rows = await session.fetch_all(select(results).where(results.c.id == any_(_array(ids))))
    return {row.id: row for row in rows}


async def newest_results(session: Session, algorithm_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """The newest result of each request that is not too old to be served again."""
    young = results.c.created_at > session.clock.now() - KEPT_FOR
    wanted = select(results).where(
        results.c.request_id == any_(_array(ids)), results.c.algorithm_id == algorithm_id
    )
    order = (results.c.request_id, results.c.created_at.desc())
    rows = await session.fetch_all(
        wanted.where(young).ext(postgresql.distinct_on(results.c.request_id)).order_by(*order)
    )
    return {row.request_id: row for row in rows}


async def add_results(session: Session, rows: Sequence[Mapping[str, Any]]) -> Sequence[Row[Any]]:
    """Store results, all by one statement."""
    return await session.fetch_all(insert(results).values([dict(row) for row in rows]).returning(results))


async def upsert_musician(session: Session, values: Mapping[str, Any]) -> None:
    """Keep a copy of a musician, unless a newer one is here."""
    await _keep(session, musicians, "musician_id", values)


async def upsert_request(session: Session, values: Mapping[str, Any]) -> None:
    """Keep a copy of a request, unless a newer one is here."""
    await _keep(session, requests, "request_id", values)


async def _keep(session: Session, table: Table, key: str, values: Mapping[str, Any]) -> None:
    added = postgresql.insert(table).values(**values)
    changes = {name: added.excluded[name] for name in values if name != key}
    newer = table.c.position < added.excluded.position
    await session.execute(added.on_conflict_do_update(index_elements=[key], set_=changes, where=newer))


def _array(ids: Sequence[UUID]) -> Any:
    return literal(list(ids), postgresql.ARRAY(Uuid))
