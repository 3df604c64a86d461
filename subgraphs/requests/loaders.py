"""The data loaders of the requests service."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.pagination import Page
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.requests import store
from subgraphs.requests.tables import applications, bookings, requests

_FetchPages = Callable[[Sequence[UUID], Page], Awaitable[Mapping[UUID, list[Row[Any]]]]]


class RequestsContext(ServiceContext):
    """The data loaders of one GraphQL request, one for each entity and list."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.requests = loaders.one(self._rows(requests))
        self.applications = loaders.one(self._rows(applications))
        self.bookings = loaders.one(self._rows(bookings))
        self.bookings_of_requests = loaders.one(self._bookings_of_requests)
        self.applications_by = loaders.one(self._applications_by)
        self.users_of_musicians = loaders.one(self._users_of_musicians)
        self.applications_of_requests = loaders.pages(self._pages(applications, "request_id"))
        self.applications_of_musicians = loaders.pages(self._pages(applications, "musician_id"))
        self.bookings_of_clients = loaders.pages(self._pages(bookings, "client_id"))
        self.bookings_of_musicians = loaders.pages(self._pages(bookings, "musician_id"))
        self.requests_of_clients = loaders.pages(self._pages(requests, "client_id"))
        self.application_counts = loaders.one(self._counts(applications, "request_id"))
        self.musician_application_counts = loaders.one(self._counts(applications, "musician_id"))
        self.client_booking_counts = loaders.one(self._counts(bookings, "client_id"))
        self.musician_booking_counts = loaders.one(self._counts(bookings, "musician_id"))
        self.request_counts = loaders.one(self._counts(requests, "client_id"))

    def _rows(self, table: Table) -> loaders.Fetch[UUID, Row[Any]]:
        async def fetch(ids: Sequence[UUID]) -> Mapping[UUID, Row[Any]]:
            return await store.by_ids(self.database, table, ids)

        return fetch

    def _pages(self, table: Table, parent: str) -> _FetchPages:
        async def fetch(ids: Sequence[UUID], page: Page) -> Mapping[UUID, list[Row[Any]]]:
            return await store.page_of_each(self.database, table, parent, ids, page)

        return fetch

    def _counts(self, table: Table, parent: str) -> loaders.Fetch[UUID, int]:
        async def fetch(ids: Sequence[UUID]) -> Mapping[UUID, int]:
            return await store.count_of_each(self.database, table, parent, ids)

        return fetch

    async def _bookings_of_requests(self, ids: Sequence[UUID]) -> Mapping[UUID, Row[Any]]:
        return await store.bookings_of_requests(self.database, ids)

    async def _applications_by(
        self, pairs: Sequence[tuple[UUID, UUID]]
    ) -> Mapping[tuple[UUID, UUID], Row[Any]]:
        return await store.applications_by(self.database, pairs)

    async def _users_of_musicians(self, ids: Sequence[UUID]) -> Mapping[UUID, UUID]:
        return await store.users_of_musicians(self.database, ids)
