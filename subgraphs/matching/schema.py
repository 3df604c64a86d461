"""Queries and mutations of the matching subgraph, and the hidden fields for sagas and the
consistency check.
"""

from functools import partial

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.copies import digests_field, repair_field, rows_field, versions_field
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import Schema, field_with, for_users, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.steps import StepOrder, run_step, step_field
from subgraphs.matching import steps, store
from subgraphs.matching.copies import COPIES, COPY_TABLES
from subgraphs.matching.messages import FindMatches
from subgraphs.matching.model import DEFAULT_ALGORITHM
from subgraphs.matching.types import Info, MatchingAlgorithm, MatchingResult, Musician, MusicianRequest


@object_type()
class Query:
    """Queries about matching."""

    @resolver
    async def matching_algorithms(self, info: Info) -> list[MatchingAlgorithm] | None:
        """The active algorithms for ranking musicians."""
        return [MatchingAlgorithm.of(row) for row in await store.all_algorithms(info.context.database)]

    @for_users
    async def matching_result(self, info: Info, id: strawberry.ID) -> MatchingResult | None:
        """The stored ranking with this id; null if there is none. For the client of its request and
        admins.
        """
        info.context.require()
        key = uuid_of(id)
        row = await info.context.results.load(key) if key else None
        if row is None:
            return None
        request = await info.context.requests.load(row.request_id)
        info.context.require_owner_or_admin(request.client_id if request is not None else None)
        return MatchingResult.of(row)

    copy_digests = digests_field(COPY_TABLES)
    copy_versions = versions_field(COPY_TABLES)
    copy_rows = rows_field(COPY_TABLES)


@object_type()
class Mutation:
    """Mutations of matching."""

    repair_copies = repair_field(COPIES, "matching")

    @field_with(authenticated=True, cost=50)
    async def find_matches(
        self,
        info: Info,
        request_id: strawberry.ID,
        algorithm: str = DEFAULT_ALGORITHM,
        force_refresh: bool = False,
    ) -> MatchingResult | None:
        """Rank the musicians for the caller's request, and store the ranking.

        An earlier ranking whose inputs have not changed is reused, unless `forceRefresh` is set.
        """
        command = FindMatches(
            by=info.context.require(),
            request_id=checks.identifier(request_id, "requestId"),
            algorithm=algorithm,
            force_refresh=force_refresh,
        )
        row = await info.context.results.load(await info.context.bus.handle(command))
        if row is None:
            raise NotFound("The stored ranking was deleted: rank again")
        return MatchingResult.of(row)

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
