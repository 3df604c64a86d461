"""What one request knows: who asks, and the users that were looked up for it."""

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenSigner
from subgraphs.kit.loaders import one
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.users import store


class UsersContext(ServiceContext):
    """The context of a request to the users service."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, signer: TokenSigner) -> None:
        super().__init__(caller, database, bus)
        self.signer = signer
        self.accounts = one(lambda ids: store.accounts_by_ids(database, ids))
