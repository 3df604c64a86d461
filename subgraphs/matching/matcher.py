"""Ranking requests: what is still true is served again, the rest is computed and stored."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row

from subgraphs.kit.database import Database, Session
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching import store
from subgraphs.matching.index import Index
from subgraphs.matching.messages import MatchesRanked
from subgraphs.matching.model import DEFAULT_ALGORITHM, TOLD, Parameters, parameters_of, rank


class Matcher:
    """Ranks requests by an algorithm, over an index of all musicians."""

    def __init__(self, index: Index) -> None:
        """Rank with this index."""
        self.index = index

    async def results(
        self, database: Database, algorithm: Row[Any], requests: Sequence[Row[Any]]
    ) -> Mapping[UUID, Row[Any]]:
        """A stored result for each request.

        The newest one if it still holds, otherwise a new one, of which others are told.
        """
        begin = time.perf_counter()
        await self.index.catch_up()
        newest = await self._newest(database, algorithm, requests)
        found = {key: row for key, row in newest.items() if row is not None}
        missing = [request for request in requests if request.request_id not in found]
        if missing:
            rows = await self._computed(algorithm, missing, begin)
            async with UnitOfWork(database) as uow:
                found.update({row.request_id: row for row in await _keep(uow, algorithm, missing, rows)})
        return found

    async def result(self, uow: UnitOfWork, algorithm: Row[Any], request: Row[Any], force: bool) -> Row[Any]:
        """A result of its own for one request; one that was served again says so by `cache_hit`."""
        begin = time.perf_counter()
        await self.index.catch_up()
        known = None if force else (await self._newest(uow, algorithm, [request])).get(request.request_id)
        if known is None:
            return (
                await _keep(uow, algorithm, [request], await self._computed(algorithm, [request], begin))
            )[0]
        elapsed = (time.perf_counter() - begin) * 1000
        same = {name: known._mapping[name] for name in _COPIED}
        row = {**same, "id": uuid4(), "execution_time_ms": elapsed, "cache_hit": True}
        return (await store.add_results(uow, [row]))[0]

    async def _newest(
        self, session: Session, algorithm: Row[Any], requests: Sequence[Row[Any]]
    ) -> Mapping[UUID, Row[Any]]:
        """Stored results from which nothing has changed: not the request, the algorithm, nor any musician."""
        positions = {request.request_id: request.position for request in requests}
        rows = await store.newest_results(session, algorithm.id, list(positions))
        now = (algorithm.updated_at, self.index.version)
        return {
            key: row
            for key, row in rows.items()
            if row.request_position == positions[key]
            and (row.algorithm_version, row.musicians_version) == now
        }

    async def _computed(
        self, algorithm: Row[Any], requests: Sequence[Row[Any]], begin: float
    ) -> list[dict[str, Any]]:
        parameters = parameters_of(algorithm.parameters)
        rows = []
        for request in requests:
            rows.append(self._compute(algorithm, parameters, request, begin))
            await asyncio.sleep(0)
            begin = time.perf_counter()
        return rows

    def _compute(
        self, algorithm: Row[Any], parameters: Parameters, request: Row[Any], begin: float
    ) -> dict[str, Any]:
        ranking = rank(self.index.columns, self.index.wanted(request), parameters)
        return {
            "id": uuid4(),
            "request_id": request.request_id,
            "algorithm_id": algorithm.id,
            "musician_scores": msgspec.to_builtins(ranking.matches),
            "candidates": ranking.candidates,
            "request_position": request.position,
            "algorithm_version": algorithm.updated_at,
            "musicians_version": self.index.version,
            "execution_time_ms": (time.perf_counter() - begin) * 1000,
            "cache_hit": False,
        }


async def _keep(
    uow: UnitOfWork, algorithm: Row[Any], requests: Sequence[Row[Any]], rows: Sequence[Mapping[str, Any]]
) -> Sequence[Row[Any]]:
    """Store results that were computed just now, and tell of them."""
    owners = {request.request_id: request.client_id for request in requests}
    stored = await store.add_results(uow, rows)
    for row in stored:
        uow.emit(
            MatchesRanked(
                result_id=row.id,
                request_id=row.request_id,
                client_id=owners[row.request_id],
                algorithm=algorithm.name,
                is_default=algorithm.name == DEFAULT_ALGORITHM,
                candidates=row.candidates,
                ranked_at=row.created_at,
                matches=row.musician_scores[:TOLD],
            )
        )
    return stored


_COPIED = (
    "request_id",
    "algorithm_id",
    "musician_scores",
    "candidates",
    "request_position",
    "algorithm_version",
    "musicians_version",
)
