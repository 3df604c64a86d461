"""The context that the resolvers of the calendar service receive, with its data loaders.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from subgraphs.calendar import store
from subgraphs.calendar.model import Span
from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.service import Caller, ServiceContext


class CalendarContext(ServiceContext):
    """The context of one GraphQL request; `slots` loads active slots by id, `busy_times` the busy times of a
    musician in a span.
    """

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.slots = loaders.one(lambda ids: store.active_slots(database, ids))
        self.busy_times = loaders.pages(self._busy_times)

    async def _busy_times(self, ids: Sequence[UUID], span: Span) -> Mapping[UUID, list[Span]]:
        return await store.busy_times(self.database, ids, span)
