"""The context of a request to the reviews service, with its data loaders."""

from functools import partial

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.loaders import one, pages
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.reviews import store


class ReviewsContext(ServiceContext):
    """The loaders of reviews, reputations and counts."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.reviews = one(lambda ids: store.reviews_by_ids(database, ids))
        self.reviews_of_bookings = one(lambda ids: store.reviews_by_bookings(database, ids))
        self.reputations = one(lambda ids: store.reputations(database, ids))
        self.counts_of_authors = one(lambda ids: store.counts_by_authors(database, ids))
        self.pages_of_musicians = pages(partial(store.pages_of_musicians, database))
        self.pages_of_authors = pages(partial(store.pages_of_authors, database))
