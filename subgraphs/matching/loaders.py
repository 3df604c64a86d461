"""The context that the resolvers of the matching service receive, with its data loaders.

Rankings of several requests in one GraphQL request are loaded, or computed, together.
"""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.matching import store
from subgraphs.matching.handlers import algorithm_named
from subgraphs.matching.index import Index
from subgraphs.matching.matcher import Matcher
from subgraphs.matching.records import ResultRecord
from subgraphs.matching.tables import ALGORITHM_ROWS, REQUEST_ROWS, RESULT_ROWS


class MatchingContext(ServiceContext):
    """The context of one GraphQL request, with data loaders and the matcher."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, matcher: Matcher) -> None:
        super().__init__(caller, database, bus)
        self.matcher = matcher
        self.algorithms = loaders.one(lambda ids: ALGORITHM_ROWS.by_ids(database, ids))
        self.requests = loaders.one(lambda ids: REQUEST_ROWS.by_ids(database, ids, "request_id"))
        self.results = loaders.one(lambda ids: RESULT_ROWS.by_ids(database, ids))
        self.rankings = loaders.one(self._rankings)
        self._catching_up: asyncio.Task[None] | None = None

    async def fresh_index(self) -> Index:
        """Return the index of musicians, after `catch_up`, which one GraphQL request calls only once."""
        if self._catching_up is None:
            self._catching_up = asyncio.create_task(self.matcher.index.catch_up())
        await self._catching_up
        return self.matcher.index

    async def _rankings(self, pairs: Sequence[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], ResultRecord]:
        """Return rankings by pairs of request id and algorithm name.

        The result lacks requests about which this service has received no event.
        """
        algorithms = {known.name: known for known in await store.all_algorithms(self.database)}
        rankings: dict[tuple[UUID, str], ResultRecord] = {}
        for name in dict.fromkeys(name for _, name in pairs):
            ids = [key for key, wanted in pairs if wanted == name]
            copies = [copy for copy in await self.requests.load_many(ids) if copy is not None]
            ranked = await self.matcher.results(self.database, algorithm_named(algorithms, name), copies)
            rankings.update({(key, name): result for key, result in ranked.items()})
        return rankings
