"""Returns rankings for requests: reuses a stored one while its inputs have not changed, or computes
a new one.

The inputs are the request, the algorithm and all musicians; a stored ranking (`ResultRecord`) has the version
of each.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec

from subgraphs.kit.database import Database, Session
from subgraphs.kit.records import values_of
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching import store
from subgraphs.matching.index import Index
from subgraphs.matching.messages import MatchesRanked
from subgraphs.matching.model import DEFAULT_ALGORITHM, PUBLISHED, Parameters, parameters_of, rank
from subgraphs.matching.records import AlgorithmRecord, RequestCopy, ResultRecord


class Matcher:
    """Ranks the musicians of an index for requests, and stores the results."""

    def __init__(self, index: Index) -> None:
        self.index = index

    async def results(
        self, database: Database, algorithm: AlgorithmRecord, requests: Sequence[RequestCopy]
    ) -> Mapping[UUID, ResultRecord]:
        """Return a result for each request, by request id.

        The newest stored result is returned if its inputs have not changed. Otherwise a new one is computed,
        stored and published.
        """
        begin = time.perf_counter()
        await self.index.catch_up()
        newest = await self._newest(database, algorithm, requests)
        results = dict(newest)
        missing = [request for request in requests if request.request_id not in results]
        if missing:
            rows = await self._computed(algorithm, missing, begin)
            async with UnitOfWork(database) as uow:
                results.update({row.request_id: row for row in await _store(uow, algorithm, missing, rows)})
        return results

    async def result(
        self,
        uow: UnitOfWork,
        algorithm: AlgorithmRecord,
        request: RequestCopy,
        *,
        force: bool,
        result_id: UUID,
    ) -> ResultRecord:
        """Store and return a new result with the id `result_id` for one request.

        If the inputs of the newest stored result have not changed, the new result is a copy of it with
        `cache_hit` True. `force` True: compute a ranking in any case.
        """
        begin = time.perf_counter()
        await self.index.catch_up()
        known = None if force else (await self._newest(uow, algorithm, [request])).get(request.request_id)
        if known is None:
            (computed,) = await self._computed(algorithm, [request], begin)
            return (await _store(uow, algorithm, [request], [{**computed, "id": result_id}]))[0]
        elapsed = (time.perf_counter() - begin) * 1000
        same = values_of(known, *_COPIED)
        row = {**same, "id": result_id, "execution_time_ms": elapsed, "cache_hit": True}
        return (await store.add_results(uow, [row]))[0]

    async def _newest(
        self, session: Session, algorithm: AlgorithmRecord, requests: Sequence[RequestCopy]
    ) -> Mapping[UUID, ResultRecord]:
        """Return, by request id, the newest stored results whose inputs have not changed.

        The inputs are the request, the algorithm and all musicians.
        """
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
        self, algorithm: AlgorithmRecord, requests: Sequence[RequestCopy], begin: float
    ) -> list[dict[str, Any]]:
        parameters = parameters_of(algorithm.parameters)
        rows = []
        for request in requests:
            rows.append(self._compute(algorithm, parameters, request, begin))
            await asyncio.sleep(0)
            begin = time.perf_counter()
        return rows

    def _compute(
        self, algorithm: AlgorithmRecord, parameters: Parameters, request: RequestCopy, begin: float
    ) -> dict[str, Any]:
        ranking = rank(self.index.columns, self.index.requirements_of(request), parameters)
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


async def _store(
    uow: UnitOfWork,
    algorithm: AlgorithmRecord,
    requests: Sequence[RequestCopy],
    rows: Sequence[Mapping[str, Any]],
) -> list[ResultRecord]:
    """Insert computed results and publish MatchesRanked for each; return their records."""
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
                matches=row.musician_scores[:PUBLISHED],
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
