"""The context of a request to the users service, with its data loaders."""

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenSigner
from subgraphs.kit.loaders import one
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.users import store


class UsersContext(ServiceContext):
    """The signer of tokens, and the loader of accounts."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, signer: TokenSigner) -> None:
        super().__init__(caller, database, bus)
        self.signer = signer
        self.accounts = one(lambda ids: store.accounts_by_ids(database, ids))
