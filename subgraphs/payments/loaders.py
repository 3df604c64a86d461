"""The data loaders of the payments service, which its GraphQL types use.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.payments import store
from subgraphs.payments.tables import ESCROW_ROWS, PAYMENT_ROWS


class PaymentsContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of escrows, payments and refunds."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.escrows = loaders.one(lambda ids: ESCROW_ROWS.by_ids(database, ids))
        self.payments = loaders.one(lambda ids: PAYMENT_ROWS.by_ids(database, ids))
        self.escrows_of_bookings = loaders.one(lambda ids: store.escrows_of_bookings(database, ids))
        self.refunds_of_escrows = loaders.many(lambda ids: store.refunds_of_escrows(database, ids))
