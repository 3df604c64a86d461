"""The data loaders of the musicians service, which its GraphQL types use.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from uuid import UUID

from subgraphs.kit.bus import Bus
from subgraphs.kit.cache_tags import object_tags
from subgraphs.kit.cached import Cached, CachedKind
from subgraphs.kit.database import Database
from subgraphs.kit.loaders import many, one
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.musicians import store
from subgraphs.musicians.model import Profile
from subgraphs.musicians.tables import PROFILE_ROWS, SKILL_ROWS


class MusiciansContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of profiles, skills and documents.

    `cached_profiles` are for the public; who may change a profile, and what a change starts from, is read
    from the database.
    """

    def __init__(
        self,
        caller: Caller,
        database: Database,
        bus: Bus,
        cached: Cached,
        kind: CachedKind[UUID, Profile],
    ) -> None:
        super().__init__(caller, database, bus)
        self.cached = cached
        self._kind = kind
        self.cached_profiles = one(lambda ids: cached.get_all(kind, ids))
        self.profiles = one(lambda ids: PROFILE_ROWS.by_ids(database, ids))
        self.profiles_of_users = one(lambda ids: PROFILE_ROWS.by_ids(database, ids, "user_id"))
        self.skills = one(lambda ids: SKILL_ROWS.by_ids(database, ids))
        self.skills_of_musicians = many(lambda ids: store.skills_by_musicians(database, ids))
        self.documents = one(lambda ids: store.documents_by_musicians(database, ids))

    async def refreshed_profile(self, key: UUID) -> Profile | None:
        """Return a profile from the database, and replace the cached one; no cache stores the reply."""
        self.may_store = False
        return await self.cached.get(self._kind, key, force=True)

    def changed(self, profile: Profile) -> Profile:
        """Drop the profile that a mutation has changed from this process's cache, and return it.

        The relay tells all other caches. This process must not wait for it: its caller may read next.
        """
        self.cached.invalidate(object_tags("Musician", profile.id))
        return profile
