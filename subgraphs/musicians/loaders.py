"""The data loaders of the musicians service, which its GraphQL types use.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.loaders import many, one
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.musicians import store
from subgraphs.musicians.tables import PROFILE_ROWS, SKILL_ROWS


class MusiciansContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of profiles, skills and documents."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.profiles = one(lambda ids: PROFILE_ROWS.by_ids(database, ids))
        self.profiles_of_users = one(lambda ids: PROFILE_ROWS.by_ids(database, ids, "user_id"))
        self.skills = one(lambda ids: SKILL_ROWS.by_ids(database, ids))
        self.skills_of_musicians = many(lambda ids: store.skills_by_musicians(database, ids))
        self.documents = one(lambda ids: store.documents_by_musicians(database, ids))
