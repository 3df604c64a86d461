"""The data loaders of the notifications service, which its GraphQL types use.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.pagination import Page
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.notifications import delivery_store, store
from subgraphs.notifications.model import NotificationRecord
from subgraphs.notifications.tables import NOTIFICATION_ROWS


class NotificationsContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of notifications, of the number of notifications
    of a user, of users' settings, and of attempts to send.
    """

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.notifications = loaders.one(partial(NOTIFICATION_ROWS.by_ids, database))
        self.settings = loaders.one(partial(store.settings_of, database))
        self.attempts = loaders.one(partial(delivery_store.attempts_of, database))
        self.pages = loaders.pages(self._pages)
        self.counts = loaders.one(partial(self._counts, unread_only=False))
        self.unread_counts = loaders.one(partial(self._counts, unread_only=True))

    async def _pages(
        self, users: Sequence[UUID], argument: tuple[Page, bool]
    ) -> Mapping[UUID, list[NotificationRecord]]:
        page, unread_only = argument
        return await NOTIFICATION_ROWS.page_of_each(
            self.database, "user_id", users, page, store.visible(unread_only)
        )

    async def _counts(self, users: Sequence[UUID], unread_only: bool) -> Mapping[UUID, int]:
        return await NOTIFICATION_ROWS.count_of_each(
            self.database, "user_id", users, store.visible(unread_only)
        )
