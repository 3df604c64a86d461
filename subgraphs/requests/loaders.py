"""The data loaders of the requests service, which its GraphQL types use.

Each collects the keys that resolvers load, and fetches them with one statement of `store` or the tables.
"""

from functools import partial

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.nested_lists import NestedList
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.requests import life, store
from subgraphs.requests.skills import SkillOwner
from subgraphs.requests.tables import APPLICATION_ROWS, BOOKING_ROWS, REQUEST_ROWS

UNCHECKED = SkillOwner(None)


class RequestsContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of entities and of nested lists.

    `max_offers`: how many unanswered offers a client may have. `skill_owner` checks the ids of skills.
    """

    def __init__(
        self,
        caller: Caller,
        database: Database,
        bus: Bus,
        max_offers: int = life.MAX_OFFERS,
        skill_owner: SkillOwner = UNCHECKED,
    ) -> None:
        super().__init__(caller, database, bus)
        self.max_offers = max_offers
        self.skill_owner = skill_owner
        one = loaders.one
        self.requests = one(partial(REQUEST_ROWS.by_ids, database))
        self.applications = one(partial(APPLICATION_ROWS.by_ids, database))
        self.bookings = one(partial(BOOKING_ROWS.by_ids, database))
        self.bookings_of_requests = one(partial(store.bookings_of_requests, database))
        self.applications_by = one(partial(store.applications_by, database))
        self.users_of_musicians = one(partial(store.users_of_musicians, database))
        self.applications_of_requests = NestedList(database, APPLICATION_ROWS, "request_id")
        self.applications_of_musicians = NestedList(database, APPLICATION_ROWS, "musician_id")
        self.bookings_of_clients = NestedList(database, BOOKING_ROWS, "client_id")
        self.bookings_of_musicians = NestedList(database, BOOKING_ROWS, "musician_id")
        self.requests_of_clients = NestedList(database, REQUEST_ROWS, "client_id")
