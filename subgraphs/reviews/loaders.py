"""The data loaders of the reviews service, which its GraphQL types use.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.loaders import one
from subgraphs.kit.nested_lists import NestedList
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.reviews import store
from subgraphs.reviews.tables import REVIEW_ROWS


class ReviewsContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of reviews, of lists of reviews, and of
    reputations.
    """

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.reviews = one(lambda ids: REVIEW_ROWS.by_ids(database, ids))
        self.reviews_of_bookings = one(lambda ids: REVIEW_ROWS.by_ids(database, ids, "booking_id"))
        self.reputations = one(lambda ids: store.reputations(database, ids))
        self.lists_of_musicians = NestedList(database, REVIEW_ROWS, "musician_id")
        self.lists_of_authors = NestedList(database, REVIEW_ROWS, "author_id")
