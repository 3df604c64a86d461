"""The GraphQL schema of the read side: lists and summaries from the read models, and their rebuild."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import budget, checks
from subgraphs.kit.cache_hints import public
from subgraphs.kit.copies import MAX_ROWS, digests_field, repair_field, rows_field, versions_field
from subgraphs.kit.graphql import Schema, field_with, for_role, for_users, object_type
from subgraphs.kit.idempotency_keys import IdempotencyKey
from subgraphs.kit.mutation_keys import claim
from subgraphs.kit.pagination import MAX_FIRST, After, Before, Connection, First, Last, Limit, Order, Page
from subgraphs.kit.payloads import Payload, user_errors
from subgraphs.kit.records import RecordTable
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.kit.vocabulary import MusicianFilter, MusicianOrder, RequestFilter, RequestOrder
from subgraphs.read_side import fallback, nodes, store
from subgraphs.read_side.copies import COPIES, COPY_TABLES
from subgraphs.read_side.fallback import PageRequest
from subgraphs.read_side.inputs import musician_criteria, request_criteria
from subgraphs.read_side.model import MUSICIAN_LISTS, REQUEST_LISTS
from subgraphs.read_side.nodes import MAX_NODES, Node
from subgraphs.read_side.records import ListedMusician, ListedRequest
from subgraphs.read_side.routing import (
    Info,
    answer,
    answer_count,
    report_continued,
    unavailable,
    unsupported,
    unwrap_cursor,
)
from subgraphs.read_side.search_lists import Listed, MusicianSearchConnection, RequestSearchConnection
from subgraphs.read_side.states import ReadModel, read_model_state
from subgraphs.read_side.store import MusicianCriteria, RequestCriteria
from subgraphs.read_side.tables import MUSICIAN_ROWS, REQUEST_ROWS
from subgraphs.read_side.types import (
    LISTED_MUSICIAN,
    LISTED_REQUEST,
    NODE_TYPES,
    ActiveRequests,
    Match,
    Musician,
    MusicianRequest,
)

Element = TypeVar("Element")
Record = TypeVar("Record")
MAX_RANKED = 50
Ids = Annotated[
    list[strawberry.ID], strawberry.argument(description="The global ids of the objects, at most 100.")
]


RequestId = Annotated[strawberry.ID, strawberry.argument(description="The request.")]
ModelName = Annotated[str, strawberry.argument(description="The name of the read model, as in `readModels`.")]


@object_type()
class Query:
    """Queries of the read models. `extensions.readModel` has the source of each field's data."""

    @field_with(cost=5)
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        """The object with this global id; null if there is none."""
        (found,) = await nodes.find_all(info.context.command_side, [nodes.parse(id, "id")], NODE_TYPES)
        if isinstance(found, Exception):
            raise found
        one: Node | None = found
        return one

    @field_with(cost=5, list_size=20)
    async def nodes(self, info: Info, ids: Ids) -> list[Node | None] | None:
        """The objects with these global ids, in their order; null for an id that no object has."""
        checks.whole(len(ids), "ids", 0, MAX_NODES)
        budget.spend(len(ids))
        wanted = [nodes.parse(one, "ids") for one in ids]
        return await nodes.find_all(info.context.command_side, wanted, NODE_TYPES)

    @field_with(
        cost=20,
        provides=[f"edges {{ node {{ {LISTED_MUSICIAN} }} }}"],
        cached=public(30),
        cache_tags=(MUSICIAN_LISTS,),
    )
    async def musicians(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: MusicianFilter | None = None,
        order_by: MusicianOrder = MusicianOrder.NEWEST,
    ) -> MusicianSearchConnection | None:
        """The musicians who fulfil all conditions and whose account is active."""
        criteria = musician_criteria(filter)
        page = PageRequest(order_by.value, first, unwrap_cursor(after), last, unwrap_cursor(before))
        order = store.MUSICIAN_ORDERS[order_by.value]
        listing = _Listing(info, "musicians", MUSICIAN_ROWS, order, page, after, before)

        def element(record: ListedMusician) -> Listed[Musician]:
            near = criteria.near
            return Listed(
                Musician.of(record),
                distance_km=near.km_to(record.latitude, record.longitude) if near else None,
                last_active=record.last_active,
            )

        found = await listing.find(
            criteria,
            element,
            lambda: fallback.find_musicians(info, criteria, page),
            lambda: fallback.count_musicians(info, criteria),
        )
        return MusicianSearchConnection.of(found)

    @field_with(
        cost=20,
        provides=[f"edges {{ node {{ {LISTED_REQUEST} }} }}"],
        cached=public(30),
        cache_tags=(REQUEST_LISTS,),
    )
    async def requests(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: RequestFilter | None = None,
        order_by: RequestOrder = RequestOrder.SOONEST,
    ) -> RequestSearchConnection | None:
        """The requests that fulfil all conditions."""
        criteria = request_criteria(filter)
        page = PageRequest(order_by.value, first, unwrap_cursor(after), last, unwrap_cursor(before))
        order = store.REQUEST_ORDERS[order_by.value]
        listing = _Listing(info, "requests", REQUEST_ROWS, order, page, after, before)
        identity = info.context.identity

        def element(record: ListedRequest) -> Listed[MusicianRequest]:
            near = criteria.near
            may_count = identity is not None and identity.is_owner_or_admin(record.client_id)
            return Listed(
                MusicianRequest.of(record),
                distance_km=near.km_to(record.latitude, record.longitude) if near else None,
                total_applications=record.total_applications if may_count else None,
            )

        found = await listing.find(
            criteria,
            element,
            lambda: fallback.find_requests(info, criteria, page),
            lambda: fallback.count_requests(info, criteria),
        )
        return RequestSearchConnection.of(found)

    @for_users
    async def ranked_musicians(
        self, info: Info, request_id: RequestId, first: Limit = 10
    ) -> list[Match] | None:
        """The newest ranking for a request, at most 50 musicians; null before the first ranking.

        For the client of the request and admins.
        """
        info.context.require()
        key = checks.identifier(request_id, "requestId", "MusicianRequest")
        budget.spend(checks.whole(first, "first", 1, MAX_RANKED))

        async def read() -> list[Match] | None:
            database = info.context.database
            client_id = await store.client_of_ranking(database, key)
            if client_id is None:
                return None
            info.context.require_owner_or_admin(client_id)
            return [Match.of(ranked) for ranked in await store.ranking(database, key, first)]

        return await answer(info, "matching", read, lambda: fallback.ranked_musicians(info, str(key), first))

    @field_with(cost=5, provides=[LISTED_MUSICIAN], cached=public(30), cache_tags=(MUSICIAN_LISTS,))
    async def top_musicians(self, info: Info, first: Limit = 10) -> list[Musician] | None:
        """The available musicians with a rating of 4.5 or more in at least ten reviews, the best first."""
        checks.whole(first, "first", 1, MAX_FIRST)
        budget.spend(first)

        async def read() -> list[Musician]:
            return [Musician.of(listed) for listed in await store.top_rated(info.context.database, first)]

        return await answer(info, "musicians", read, unsupported("sort by rating"))

    @field_with(cost=5, cached=public(30), cache_tags=(REQUEST_LISTS,))
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

    @field_with(inaccessible=True)
    async def musician_facts(self, info: Info, ids: Ids) -> JSON | None:
        """For the musicians service, while its database does not answer: the version of each profile, and
        what its last event says about it, by UUID.
        """
        keys = checks.identifiers(ids, "ids", MAX_ROWS)
        return JSON(await COPY_TABLES["musician"].rows(info.context.database, keys))

    copy_digests = digests_field(COPY_TABLES)
    copy_versions = versions_field(COPY_TABLES)
    copy_rows = rows_field(COPY_TABLES)


@object_type()
class RebuildReadModelPayload(Payload):
    """The result of `rebuildReadModel`."""

    read_model: ReadModel | None = strawberry.field(default=None, description="The read model.")


@object_type()
class Mutation:
    """Mutations of the read models."""

    repair_copies = repair_field(COPIES, "read_side")

    @for_role("admin")
    @user_errors(RebuildReadModelPayload)
    async def rebuild_read_model(
        self, info: Info, name: ModelName, idempotency_key: IdempotencyKey = None
    ) -> RebuildReadModelPayload | None:
        """Rebuild a read model from the first event, in the background, while the old tables serve. For
        admins.
        """
        by, model = info.context.require_role("admin"), checks.text(name, "name", 40)
        given = {"name": model}
        async with UnitOfWork(info.context.database) as uow:  # a refused rebuild leaves the key free
            if not await claim(uow, idempotency_key, str(by.user_id), "rebuildReadModel", given):
                await info.context.rebuilds.start_rebuild(model)
        await info.context.freshness.refresh()
        return RebuildReadModelPayload(read_model=await read_model_state(info, model))


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
        before: str | None,
    ) -> None:
        self.info = info
        self.model = model
        self.rows = rows
        self.order = order
        self.is_first_page = after is None and before is None
        self.is_continued = page.after is not None or page.before is not None
        cursors = (None, None) if self.is_continued else (after, before)
        self.page = Page.of(order, page.first, cursors[0], page.last, cursors[1])

    async def find(
        self,
        criteria: MusicianCriteria | RequestCriteria,
        node: Callable[[Record], Element],
        query_command_side: Callable[[], Any],
        count_on_command_side: Callable[[], Any],
    ) -> Connection[Element]:
        """Return the page of the elements that fulfil the criteria.

        The first page comes from the read model if it is fresh; later pages come from the source of the
        first. `node` converts a record of the read model; the two callbacks return the page, and the number
        of all elements, from the command side.
        """
        database, conditions = self.info.context.database, criteria.conditions()

        async def read() -> Connection[Element]:
            found = await self.rows.page(database, self.page, conditions)
            return self.page.connection(found, node, self._key, count)

        async def count() -> int:
            return await answer_count(
                self.info,
                self.model,
                lambda: self.rows.count(database, conditions),
                count_on_command_side,
            )

        async def first_page_of_command_side() -> Connection[Element]:
            if not self.is_first_page:
                raise unavailable("continue this list")
            page: Connection[Element] = await query_command_side()
            return page

        if self.is_continued:
            report_continued(self.info)
            next_page: Connection[Element] = await query_command_side()
            return next_page
        return await answer(self.info, self.model, read, first_page_of_command_side)

    def _key(self, record: Record) -> tuple[Any, UUID]:
        order = self.order
        return getattr(record, order.column.key or ""), getattr(record, order.id_column.key or "")


schema = Schema(Query, Mutation, types=[*NODE_TYPES.values()])
