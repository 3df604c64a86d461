"""The data loaders of the notifications service, which its GraphQL types use.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.nested_lists import NestedList
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.notifications import chat_store, delivery_store, store
from subgraphs.notifications.tables import NOTIFICATION_ROWS


class NotificationsContext(ServiceContext):
    """The context of one GraphQL request, with data loaders of notifications, of their lists and the
    numbers of unread ones by user, of users' settings, of attempts to send, of bookings and of messages.
    """

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.notifications = loaders.one(partial(NOTIFICATION_ROWS.by_ids, database))
        self.settings = loaders.one(partial(store.settings_of, database))
        self.attempts = loaders.one(partial(delivery_store.attempts_of, database))
        self.lists_of_users = NestedList(database, NOTIFICATION_ROWS, "user_id")
        self.unread_counts = loaders.one(self._unread)
        self.bookings = loaders.one(partial(chat_store.copies_of, database))
        self.messages = loaders.one(partial(chat_store.MESSAGE_ROWS.by_ids, database))
        self.messages_of_bookings = NestedList(database, chat_store.MESSAGE_ROWS, "booking_id")

    async def _unread(self, users: Sequence[UUID]) -> Mapping[UUID, int]:
        unread = store.visible(unread_only=True)
        return await NOTIFICATION_ROWS.count_of_each(self.database, "user_id", users, unread)
