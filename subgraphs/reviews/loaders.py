"""The data loaders of the reviews service, which its GraphQL types use.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from functools import partial

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.loaders import one, pages
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.reviews import store
from subgraphs.reviews.tables import REVIEW_ROWS


class ReviewsContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of reviews, reputations and numbers of
    reviews.
    """

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.reviews = one(lambda ids: REVIEW_ROWS.by_ids(database, ids))
        self.reviews_of_bookings = one(lambda ids: REVIEW_ROWS.by_ids(database, ids, "booking_id"))
        self.reputations = one(lambda ids: store.reputations(database, ids))
        self.counts_of_authors = one(partial(REVIEW_ROWS.count_of_each, database, "author_id"))
        self.pages_of_musicians = pages(partial(REVIEW_ROWS.page_of_each, database, "musician_id"))
        self.pages_of_authors = pages(partial(REVIEW_ROWS.page_of_each, database, "author_id"))
