"""Queries of the read side, and the one thing that can be done with it."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from uuid import UUID

import strawberry
from sqlalchemy import Row, Table

from subgraphs.kit import budget, checks
from subgraphs.kit.copies import digests_field, repair_field, rows_field, versions_field
from subgraphs.kit.graphql import Schema, object_type, resolver
from subgraphs.kit.pagination import DEFAULT_FIRST, MAX_FIRST, After, Connection, First, Order, Page
from subgraphs.read_side import fallback, store
from subgraphs.read_side.copies import COPIES, COPY_TABLES
from subgraphs.read_side.fallback import PageRequest
from subgraphs.read_side.inputs import (
    CircleInput,
    ListingOrder,
    RequestListingOrder,
    RequestStatus,
    musicians_wanted,
    requests_wanted,
)
from subgraphs.read_side.routing import (
    Info,
    answer,
    answer_count,
    refusing,
    report_continued,
    unavailable,
    unwrap_cursor,
)
from subgraphs.read_side.states import ReadModel, state_of
from subgraphs.read_side.store import MusicianCriteria, RequestCriteria
from subgraphs.read_side.tables import musicians, requests
from subgraphs.read_side.types import ActiveRequests, MusicianListing, RankedMusician, RequestListing

Node = TypeVar("Node")
Words = Annotated[
    str | None,
    strawberry.argument(description='Words of the text, as in a search engine ("quoted", or, -without).'),
]
Skills = Annotated[list[strawberry.ID] | None, strawberry.argument(description="Ids of skills, all of them.")]
Near = Annotated[CircleInput | None, strawberry.argument(description="In this circle.")]
MOST_RANKED = 50


@object_type()
class Query:
    """What can be asked of the read models. `extensions.readModel` says where each answer comes from."""

    @resolver
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
        """Musicians with their reputation, from the read model."""
        wanted = musicians_wanted(text, skill_ids, min_rating, max_hourly_rate, city, available_only, near)
        listed = PageRequest(first, order_by.value, unwrap_cursor(after))
        order = store.MUSICIAN_ORDERS[order_by.value]
        listing = _Listing(info, "musicians", musicians, order, listed, after)
        return await listing.find(
            wanted,
            MusicianListing.of,
            lambda: fallback.find_musicians(info, wanted, listed),
            lambda: fallback.count_musicians(info, wanted),
        )

    @resolver
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
        """Requests with what is known around them, from the read model."""
        wanted = requests_wanted(text, skill_ids, status, starts_from, starts_to, near)
        listed = PageRequest(first, order_by.value, unwrap_cursor(after))
        order = store.REQUEST_ORDERS[order_by.value]
        listing = _Listing(info, "requests", requests, order, listed, after)
        return await listing.find(
            wanted,
            RequestListing.of,
            lambda: fallback.find_requests(info, wanted, listed),
            lambda: fallback.count_requests(info, wanted),
        )

    @resolver
    async def ranked_musicians(
        self, info: Info, request_id: strawberry.ID, first: int = 10
    ) -> list[RankedMusician] | None:
        """The newest ranking for a request, at most 50 musicians; for its client.

        Null as long as nobody was ranked.
        """
        info.context.require()
        key, first = checks.identifier(request_id, "requestId"), checks.whole(first, "first", 1, MOST_RANKED)
        budget.spend(first)

        async def read() -> list[RankedMusician] | None:
            database = info.context.database
            client_id = await store.ranked_for(database, key)
            if client_id is None:
                return None
            info.context.require_owner_or_admin(client_id)
            return [RankedMusician.of(row) for row in await store.ranking(database, key, first)]

        return await answer(info, "matching", read, lambda: fallback.ranked_musicians(info, str(key), first))

    @resolver
    async def top_musicians(self, info: Info, first: First = 10) -> list[MusicianListing] | None:
        """Who can be had and is rated 4.5 or better by ten clients or more, the best first."""
        checks.whole(first, "first", 1, MAX_FIRST)
        budget.spend(first)

        async def read() -> list[MusicianListing]:
            return [MusicianListing.of(row) for row in await store.top(info.context.database, first)]

        return await answer(info, "musicians", read, refusing("sort by rating"))

    @resolver
    async def active_requests_summary(self, info: Info) -> list[ActiveRequests] | None:
        """The requests that look for somebody, by status and currency."""

        async def read() -> list[ActiveRequests]:
            return [ActiveRequests.of(row) for row in await store.active(info.context.database)]

        return await answer(info, "requests", read, lambda: fallback.active_requests(info))

    @resolver
    async def read_models(self, info: Info) -> list[ReadModel] | None:
        """How the read models are; for admins."""
        info.context.require_role("admin")
        await info.context.freshness.refresh()
        return [await state_of(info, name) for name in info.context.freshness.models]

    copy_digests = digests_field(COPY_TABLES)
    copy_versions = versions_field(COPY_TABLES)
    copy_rows = rows_field(COPY_TABLES)


@object_type()
class Mutation:
    """Mutations of the read models."""

    repair_copies = repair_field(COPIES, "read_side")

    @resolver
    async def rebuild_read_model(self, info: Info, name: str) -> ReadModel | None:
        """Make a read model anew from the first event, in the background and while the old one serves.

        For admins.
        """
        info.context.require_role("admin")
        await info.context.rebuilds.start_rebuild(checks.text(name, "name", 40))
        await info.context.freshness.refresh()
        return await state_of(info, name)


class _Listing:
    """A list, and from where the page that is wanted comes."""

    def __init__(
        self, info: Info, model: str, table: Table, order: Order, listed: PageRequest, after: str | None
    ) -> None:
        self.info = info
        self.model = model
        self.table = table
        self.order = order
        self.after = after
        self.is_continued = listed.after is not None
        self.page = Page.of(order, listed.first, None if self.is_continued else after)

    async def find(
        self,
        wanted: MusicianCriteria | RequestCriteria,
        node: Callable[[Row[Any]], Node],
        elsewhere: Callable[[], Any],
        count_elsewhere: Callable[[], Any],
    ) -> Connection[Node]:
        """The page: from where the list was begun, or from the read model as long as it can be trusted."""
        database = self.info.context.database

        async def read() -> Connection[Node]:
            rows = await store.page_of(database, self.table, wanted, self.page)
            return self.page.connection(rows, node, self._key, count)

        async def count() -> int:
            return await answer_count(
                self.info, self.model, lambda: store.count_of(database, self.table, wanted), count_elsewhere
            )

        async def begin_elsewhere() -> Connection[Node]:
            if self.after is not None:
                raise unavailable("go on with this list")
            found: Connection[Node] = await elsewhere()
            return found

        if self.is_continued:
            report_continued(self.info)
            continuing: Connection[Node] = await elsewhere()
            return continuing
        return await answer(self.info, self.model, read, begin_elsewhere)

    def _key(self, row: Row[Any]) -> tuple[Any, UUID]:
        return getattr(row, self.order.column.key or ""), getattr(row, self.order.id_column.key or "")


schema = Schema(Query, Mutation)
