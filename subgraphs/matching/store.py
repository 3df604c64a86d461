"""The SQL statements of the matching service that `RecordTable` does not have; its tables are in `tables`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.records import records, upsert_newer
from subgraphs.matching.records import AlgorithmRecord, MusicianCopy, RequestCopy, ResultRecord
from subgraphs.matching.tables import (
    ALGORITHM_ROWS,
    MUSICIAN_ROWS,
    REQUEST_ROWS,
    algorithms,
    musicians,
    requests,
    results,
)

REUSE_FOR = timedelta(hours=1)
"""The age up to which a stored result may be reused if its inputs have not changed."""


async def all_algorithms(session: Session) -> list[AlgorithmRecord]:
    """Return the active algorithms, ordered by name."""
    active = select(algorithms).where(algorithms.c.is_active).order_by(algorithms.c.name)
    return await ALGORITHM_ROWS.fetch_all(session, active)


async def request(session: Session, request_id: UUID) -> RequestCopy | None:
    """Return the copy of a request, None if this service has received no event about it."""
    return (await REQUEST_ROWS.by_ids(session, [request_id], "request_id")).get(request_id)


async def musician(session: Session, musician_id: UUID) -> MusicianCopy | None:
    """Return the copy of a musician, None if this service has received no event about it."""
    return (await MUSICIAN_ROWS.by_ids(session, [musician_id], "musician_id")).get(musician_id)


async def newest_results(
    session: Session, algorithm_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, ResultRecord]:
    """Return the newest result of each request by an algorithm, unless it is older than REUSE_FOR.

    `ids` are the requests'; the result is by request id.
    """
    recent = results.c.created_at > session.clock.now() - REUSE_FOR
    own = select(results).where(
        among_ids(results.c.request_id), results.c.algorithm_id == algorithm_id, recent
    )
    order = (results.c.request_id, results.c.created_at.desc())
    newest = own.ext(postgresql.distinct_on(results.c.request_id)).order_by(*order)
    found = records(ResultRecord, await session.fetch_all(newest, ids=ids))
    return {result.request_id: result for result in found}


async def add_results(session: Session, rows: Sequence[Mapping[str, Any]]) -> list[ResultRecord]:
    """Insert results with one statement and return their records."""
    added = insert(results).values([dict(row) for row in rows]).returning(results)
    return records(ResultRecord, await session.fetch_all(added))


async def refresh_musician(session: Session, user_id: UUID) -> None:
    """Write the copy of a user's musician again, whose trigger reads whether the account is closed."""
    own = update(musicians).where(musicians.c.user_id == user_id)
    await session.execute(own.values(position=musicians.c.position))


async def upsert_musician(session: Session, values: Mapping[str, Any]) -> None:
    """Insert or update the copy of a musician, unless it is from an event with a higher position."""
    await upsert_newer(session, musicians, "musician_id", values)


async def upsert_request(session: Session, values: Mapping[str, Any]) -> None:
    """Insert or update the copy of a request, unless it is from an event with a higher position."""
    await upsert_newer(session, requests, "request_id", values)
