"""The data loaders of the notifications service."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.pagination import Page
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.notifications import store


class NotificationsContext(ServiceContext):
    """The data loaders of one GraphQL request."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.notifications = loaders.one(lambda ids: store.by_ids(database, ids))
        self.settings = loaders.one(lambda users: store.settings_of(database, users))
        self.pages = loaders.pages(self._pages)
        self.counts = loaders.one(lambda users: store.count_of_each(database, users, unread_only=False))
        self.unread_counts = loaders.one(lambda users: store.count_of_each(database, users, unread_only=True))

    async def _pages(
        self, users: Sequence[UUID], argument: tuple[Page, bool]
    ) -> Mapping[UUID, list[Row[Any]]]:
        page, unread_only = argument
        return await store.page_of_each(self.database, users, page, unread_only)
