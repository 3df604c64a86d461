"""The GraphQL schema of the read side: lists and summaries from the read models, and their rebuild."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import strawberry

from subgraphs.kit import budget, checks
from subgraphs.kit.copies import digests_field, repair_field, rows_field, versions_field
from subgraphs.kit.graphql import Schema, field_with, for_role, for_users, object_type
from subgraphs.kit.pagination import DEFAULT_FIRST, MAX_FIRST, After, Connection, First, Order, Page
from subgraphs.kit.records import RecordTable
from subgraphs.read_side import fallback, store
from subgraphs.read_side.copies import COPIES, COPY_TABLES
from subgraphs.read_side.fallback import PageRequest
from subgraphs.read_side.inputs import (
    CircleInput,
    ListingOrder,
    RequestListingOrder,
    RequestStatus,
    musician_criteria,
    request_criteria,
)
from subgraphs.read_side.routing import (
    Info,
    answer,
    answer_count,
    report_continued,
    unavailable,
    unsupported,
    unwrap_cursor,
)
from subgraphs.read_side.states import ReadModel, read_model_state
from subgraphs.read_side.store import MusicianCriteria, RequestCriteria
from subgraphs.read_side.tables import MUSICIAN_ROWS, REQUEST_ROWS
from subgraphs.read_side.types import ActiveRequests, MusicianListing, RankedMusician, RequestListing

Node = TypeVar("Node")
Record = TypeVar("Record")
Words = Annotated[
    str | None,
    strawberry.argument(description='Words of the text, as in a search engine ("quoted", or, -without).'),
]
Skills = Annotated[
    list[strawberry.ID] | None, strawberry.argument(description="Ids of skills, all required.")
]
Near = Annotated[CircleInput | None, strawberry.argument(description="Places in this circle.")]
MAX_RANKED = 50


@object_type()
class Query:
    """Queries of the read models. `extensions.readModel` has the source of each field's data."""

    @field_with(cost=20)
    async def find_musicians(
        self,
        info: Info,
        text: Words = None,
        skill_ids: Skills = None,
        min_rating: float | None = None,
        max_hourly_rate: Decimal | None = None,
        city: str | None = None,
        available_only: bool = False,
        near: Near = None,
        order_by: ListingOrder = ListingOrder.NEWEST,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[MusicianListing] | None:
        """The musicians who fulfil all conditions, with their reputation."""
        criteria = musician_criteria(text, skill_ids, min_rating, max_hourly_rate, city, available_only, near)
        page = PageRequest(first, order_by.value, unwrap_cursor(after))
        order = store.MUSICIAN_ORDERS[order_by.value]
        listing = _Listing(info, "musicians", MUSICIAN_ROWS, order, page, after)
        return await listing.find(
            criteria,
            MusicianListing.of,
            lambda: fallback.find_musicians(info, criteria, page),
            lambda: fallback.count_musicians(info, criteria),
        )

    @field_with(cost=20)
    async def find_requests(
        self,
        info: Info,
        text: Words = None,
        skill_ids: Skills = None,
        status: list[RequestStatus] | None = None,
        starts_from: datetime | None = None,
        starts_to: datetime | None = None,
        near: Near = None,
        order_by: RequestListingOrder = RequestListingOrder.SOONEST,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[RequestListing] | None:
        """The requests that fulfil all conditions, with client, skills and number of applications."""
        criteria = request_criteria(text, skill_ids, status, starts_from, starts_to, near)
        page = PageRequest(first, order_by.value, unwrap_cursor(after))
        order = store.REQUEST_ORDERS[order_by.value]
        listing = _Listing(info, "requests", REQUEST_ROWS, order, page, after)
        return await listing.find(
            criteria,
            RequestListing.of,
            lambda: fallback.find_requests(info, criteria, page),
            lambda: fallback.count_requests(info, criteria),
        )

    @for_users
    async def ranked_musicians(
        self, info: Info, request_id: strawberry.ID, first: int = 10
    ) -> list[RankedMusician] | None:
        """The newest ranking for a request, at most 50 musicians; null before the first ranking.

        For the client of the request and admins.
        """
        info.context.require()
        key, first = checks.identifier(request_id, "requestId"), checks.whole(first, "first", 1, MAX_RANKED)
        budget.spend(first)

        async def read() -> list[RankedMusician] | None:
            database = info.context.database
            client_id = await store.client_of_ranking(database, key)
            if client_id is None:
                return None
            info.context.require_owner_or_admin(client_id)
            return [RankedMusician.of(ranked) for ranked in await store.ranking(database, key, first)]

        return await answer(info, "matching", read, lambda: fallback.ranked_musicians(info, str(key), first))

    @field_with(cost=5)
    async def top_musicians(self, info: Info, first: First = 10) -> list[MusicianListing] | None:
        """The available musicians with a rating of 4.5 or more in at least ten reviews, the best first."""
        checks.whole(first, "first", 1, MAX_FIRST)
        budget.spend(first)

        async def read() -> list[MusicianListing]:
            return [
                MusicianListing.of(listed) for listed in await store.top_rated(info.context.database, first)
            ]

        return await answer(info, "musicians", read, unsupported("sort by rating"))

    @field_with(cost=5)
    async def active_requests_summary(self, info: Info) -> list[ActiveRequests] | None:
        """Numbers and means of the requests that are open or in progress, by status and currency."""

        async def read() -> list[ActiveRequests]:
            return [ActiveRequests.of(item) for item in await store.active_summary(info.context.database)]

        return await answer(info, "requests", read, lambda: fallback.active_requests(info))

    @for_role("admin")
    async def read_models(self, info: Info) -> list[ReadModel] | None:
        """The states of the read models; for admins."""
        info.context.require_role("admin")
        await info.context.freshness.refresh()
        return [await read_model_state(info, name) for name in info.context.freshness.models]

    copy_digests = digests_field(COPY_TABLES)
    copy_versions = versions_field(COPY_TABLES)
    copy_rows = rows_field(COPY_TABLES)


@object_type()
class Mutation:
    """Mutations of the read models."""

    repair_copies = repair_field(COPIES, "read_side")

    @for_role("admin")
    async def rebuild_read_model(self, info: Info, name: str) -> ReadModel | None:
        """Rebuild a read model from the first event, in the background, while the old tables serve. For
        admins.
        """
        info.context.require_role("admin")
        await info.context.rebuilds.start_rebuild(checks.text(name, "name", 40))
        await info.context.freshness.refresh()
        return await read_model_state(info, name)


class _Listing(Generic[Record]):
    """A page of a list, from the read model or the command side.

    All pages of a list come from the source of its first page, because the cursors of the two differ.
    """

    def __init__(
        self,
        info: Info,
        model: str,
        rows: RecordTable[Record],
        order: Order,
        page: PageRequest,
        after: str | None,
    ) -> None:
        self.info = info
        self.model = model
        self.rows = rows
        self.order = order
        self.after = after
        self.is_continued = page.after is not None
        self.page = Page.of(order, page.first, None if self.is_continued else after)

    async def find(
        self,
        criteria: MusicianCriteria | RequestCriteria,
        node: Callable[[Record], Node],
        query_command_side: Callable[[], Any],
        count_on_command_side: Callable[[], Any],
    ) -> Connection[Node]:
        """Return the page of the elements that fulfil the criteria.

        The first page comes from the read model if it is fresh; later pages come from the source of the
        first. `node` converts a record of the read model; the two callbacks return the page, and the number
        of all elements, from the command side.
        """
        database, conditions = self.info.context.database, criteria.conditions()

        async def read() -> Connection[Node]:
            found = await self.rows.page(database, self.page, conditions)
            return self.page.connection(found, node, self._key, count)

        async def count() -> int:
            return await answer_count(
                self.info,
                self.model,
                lambda: self.rows.count(database, conditions),
                count_on_command_side,
            )

        async def first_page_of_command_side() -> Connection[Node]:
            if self.after is not None:
                raise unavailable("continue this list")
            page: Connection[Node] = await query_command_side()
            return page

        if self.is_continued:
            report_continued(self.info)
            next_page: Connection[Node] = await query_command_side()
            return next_page
        return await answer(self.info, self.model, read, first_page_of_command_side)

    def _key(self, record: Record) -> tuple[Any, UUID]:
        order = self.order
        return getattr(record, order.column.key or ""), getattr(record, order.id_column.key or "")


schema = Schema(Query, Mutation)
