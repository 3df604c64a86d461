"""The context that the resolvers of the users service receive, with the data loader of accounts.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenSigner
from subgraphs.kit.loaders import one
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.users import store


class UsersContext(ServiceContext):
    """The context of one GraphQL request; `signer` signs the token of a caller who logs in."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, signer: TokenSigner) -> None:
        super().__init__(caller, database, bus)
        self.signer = signer
        self.accounts = one(lambda ids: store.accounts_by_ids(database, ids))
