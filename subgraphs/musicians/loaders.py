"""The data loaders of the musicians service."""

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.loaders import many, one
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.musicians import store


class MusiciansContext(ServiceContext):
    """The context of a request to the musicians service, with its data loaders."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.profiles = one(lambda ids: store.profiles_by_ids(database, ids))
        self.profiles_of_users = one(lambda ids: store.profiles_by_users(database, ids))
        self.skills = one(lambda ids: store.skills_by_ids(database, ids))
        self.skills_of_musicians = many(lambda ids: store.skills_by_musicians(database, ids))
        self.documents = one(lambda ids: store.documents_by_musicians(database, ids))
