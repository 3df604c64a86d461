"""The data loaders of the requests service, which its GraphQL types use.

Each collects the keys that resolvers load, and fetches them with one statement of `store` or the tables.
"""

from functools import partial
from typing import TypeVar
from uuid import UUID

from aiodataloader import DataLoader

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.pagination import Page
from subgraphs.kit.records import RecordTable
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.requests import life, store
from subgraphs.requests.tables import APPLICATION_ROWS, BOOKING_ROWS, REQUEST_ROWS

Record = TypeVar("Record")
_PagesLoader = DataLoader[tuple[UUID, Page], list[Record]]


class RequestsContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of entities, of pages of lists, and of the number
    of elements in a list.

    `max_offers`: how many unanswered offers a client may have.
    """

    def __init__(
        self, caller: Caller, database: Database, bus: Bus, max_offers: int = life.MAX_OFFERS
    ) -> None:
        super().__init__(caller, database, bus)
        self.max_offers = max_offers
        one = loaders.one
        self.requests = one(partial(REQUEST_ROWS.by_ids, database))
        self.applications = one(partial(APPLICATION_ROWS.by_ids, database))
        self.bookings = one(partial(BOOKING_ROWS.by_ids, database))
        self.bookings_of_requests = one(partial(store.bookings_of_requests, database))
        self.applications_by = one(partial(store.applications_by, database))
        self.users_of_musicians = one(partial(store.users_of_musicians, database))
        self.applications_of_requests = self._pages(APPLICATION_ROWS, "request_id")
        self.applications_of_musicians = self._pages(APPLICATION_ROWS, "musician_id")
        self.bookings_of_clients = self._pages(BOOKING_ROWS, "client_id")
        self.bookings_of_musicians = self._pages(BOOKING_ROWS, "musician_id")
        self.requests_of_clients = self._pages(REQUEST_ROWS, "client_id")
        self.application_counts = self._counts(APPLICATION_ROWS, "request_id")
        self.musician_application_counts = self._counts(APPLICATION_ROWS, "musician_id")
        self.client_booking_counts = self._counts(BOOKING_ROWS, "client_id")
        self.musician_booking_counts = self._counts(BOOKING_ROWS, "musician_id")
        self.request_counts = self._counts(REQUEST_ROWS, "client_id")

    def _pages(self, rows: RecordTable[Record], parent: str) -> _PagesLoader[Record]:
        return loaders.pages(partial(rows.page_of_each, self.database, parent))

    def _counts(self, rows: RecordTable[Record], parent: str) -> DataLoader[UUID, int | None]:
        return loaders.one(partial(rows.count_of_each, self.database, parent))
