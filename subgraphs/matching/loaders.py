"""What one request to the matching service shares: who asks, loaders, and the matcher."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.matching import store
from subgraphs.matching.handlers import chosen
from subgraphs.matching.index import Index
from subgraphs.matching.matcher import Matcher


class MatchingContext(ServiceContext):
    """The loaders of one request."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, matcher: Matcher) -> None:
        """Fresh loaders over the service's database."""
        super().__init__(caller, database, bus)
        self.matcher = matcher
        self.algorithms = loaders.one(lambda ids: store.algorithms_by_ids(database, ids))
        self.requests = loaders.one(lambda ids: store.requests_by_ids(database, ids))
        self.results = loaders.one(lambda ids: store.results_by_ids(database, ids))
        self.rankings = loaders.one(self._rankings)
        self._look: asyncio.Task[None] | None = None

    async def fresh_index(self) -> Index:
        """The index of all musicians, brought up to date once in this request."""
        if self._look is None:
            self._look = asyncio.create_task(self.matcher.index.catch_up())
        await self._look
        return self.matcher.index

    async def _rankings(self, pairs: Sequence[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Row[Any]]:
        """Results by request and name of algorithm: all requests of an algorithm at once."""
        algorithms = {row.name: row for row in await store.all_algorithms(self.database)}
        found: dict[tuple[UUID, str], Row[Any]] = {}
        for name in dict.fromkeys(name for _, name in pairs):
            ids = [key for key, wanted in pairs if wanted == name]
            copies = [row for row in await self.requests.load_many(ids) if row is not None]
            ranked = await self.matcher.results(self.database, chosen(algorithms, name), copies)
            found.update({(key, name): row for key, row in ranked.items()})
        return found
