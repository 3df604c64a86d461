"""Queries and mutations of the matching subgraph, and the hidden fields for sagas and the
consistency check.
"""

from functools import partial
from typing import Annotated
from uuid import uuid4

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.cache_hints import public
from subgraphs.kit.copies import digests_field, repair_field, rows_field, versions_field
from subgraphs.kit.graphql import Schema, field_with, for_users, object_type
from subgraphs.kit.idempotency_keys import IdempotencyKey, command_id_of
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.mutation_keys import claim
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.payloads import user_errors
from subgraphs.kit.steps import StepOrder, run_step, step_field
from subgraphs.matching import steps, store
from subgraphs.matching.copies import COPIES, COPY_TABLES
from subgraphs.matching.handlers import algorithm_named
from subgraphs.matching.match_types import Info, Musician
from subgraphs.matching.messages import FindMatches
from subgraphs.matching.model import DEFAULT_ALGORITHM
from subgraphs.matching.types import (
    Algorithm,
    FindMatchesPayload,
    MatchingAlgorithm,
    MatchingResult,
    MusicianRequest,
)

RequestId = Annotated[
    strawberry.ID, strawberry.argument(description="The global id of a request of the caller.")
]
ForceRefresh = Annotated[
    bool,
    strawberry.argument(description="Compute a new ranking, even if an earlier one could be reused."),
]


@object_type()
class Query:
    """Queries about matching."""

    @field_with(cached=public(300), cache_tags=("matching-algorithms",))
    async def matching_algorithms(self, info: Info) -> list[MatchingAlgorithm] | None:
        """The active algorithms for ranking musicians."""
        return [MatchingAlgorithm.of(row) for row in await store.all_algorithms(info.context.database)]

    @for_users
    async def matching_result(self, info: Info, id: strawberry.ID) -> MatchingResult | None:
        """The stored ranking with this id; null if there is none. For the client of its request and
        admins.
        """
        return await MatchingResult.load(info, uuid_of(id, "MatchingResult"))

    copy_digests = digests_field(COPY_TABLES)
    copy_versions = versions_field(COPY_TABLES)
    copy_rows = rows_field(COPY_TABLES)


@object_type()
class Mutation:
    """Mutations of matching."""

    repair_copies = repair_field(COPIES, "matching")

    @field_with(authenticated=True, cost=50)
    @user_errors(FindMatchesPayload)
    async def find_matches(
        self,
        info: Info,
        request_id: RequestId,
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        force_refresh: ForceRefresh = False,
        idempotency_key: IdempotencyKey = None,
    ) -> FindMatchesPayload | None:
        """Rank the musicians for the caller's request, and store the ranking.

        An earlier ranking whose inputs have not changed is reused, unless `forceRefresh` is set.
        """
        by, database = info.context.require(), info.context.database
        known = {known.name: known for known in await store.all_algorithms(database)}
        with checks.Mistakes() as mistakes:
            key = mistakes.check(checks.identifier, request_id, "requestId", "MusicianRequest")
            mistakes.check(algorithm_named, known, algorithm)
        given = {"requestId": key, "algorithm": algorithm, "forceRefresh": force_refresh}
        is_repeated = await claim(database, idempotency_key, str(by.user_id), "findMatches", given)
        result_id, results = command_id_of(idempotency_key, by), info.context.results
        if is_repeated and result_id and (first := await results.load(result_id)) is not None:
            return FindMatchesPayload(result=MatchingResult.of(first))
        await await_known(partial(store.request, database, key), info.context)
        command = FindMatches(
            by=by,
            request_id=key,
            algorithm=algorithm,
            force_refresh=force_refresh,
            result_id=uuid4() if is_repeated or result_id is None else result_id,
        )
        row = await results.load(await info.context.bus.handle(command))
        return FindMatchesPayload(result=None if row is None else MatchingResult.of(row))

    @step_field
    async def validate_availability(
        self, info: Info, order: StepOrder, request_id: strawberry.ID, musician_id: strawberry.ID
    ) -> JSON | None:
        """Step of a saga: check that a musician can be booked for a request."""
        request, musician = (
            checks.identifier(request_id, "requestId"),
            checks.identifier(musician_id, "musicianId"),
        )
        await await_known(partial(store.request, info.context.database, request), info.context)
        await await_known(partial(store.musician, info.context.database, musician), info.context)
        given = {"requestId": str(request), "musicianId": str(musician)}
        return await run_step(info.context, order, given, steps.validate, steps.unvalidate)


schema = Schema(Query, Mutation, types=[Musician, MusicianRequest])
