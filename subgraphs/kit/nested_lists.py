"""Lists of a parent's records, such as the bookings of each of many musicians, as connections.

One statement fetches the same page of all parents that a request resolves, another one all their numbers.

Example: `NestedList(database, BOOKING_ROWS, "musician_id").connection(musician_id, page, Booking.of)`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from aiodataloader import DataLoader

from subgraphs.kit import loaders
from subgraphs.kit.database import Database
from subgraphs.kit.pagination import Connection, Count, Criteria, Page
from subgraphs.kit.records import RecordTable

Node = TypeVar("Node")
Record = TypeVar("Record")


class NestedList(Generic[Record]):
    """The lists of all parents: the records of `rows` whose column `parent` has the parent's id."""

    def __init__(self, database: Database, rows: RecordTable[Record], parent: str) -> None:
        self._database = database
        self._rows = rows
        self._parent = parent
        self._pages: DataLoader[tuple[UUID, Page], list[Record]] = loaders.pages(
            partial(rows.page_of_each, database, parent)
        )
        self._counts: DataLoader[tuple[UUID, Criteria | None], list[int]] = loaders.pages(self._count)

    async def connection(
        self, owner: UUID, page: Page, node: Callable[[Record], Node], count: Count | None = None
    ) -> Connection[Node]:
        """Return a page of the list of the parent with the id `owner`.

        `node` converts a record to an element. `count` returns the number of elements in the whole list,
        where it is known without counting rows. Raises TooManyElements (`kit/budget`).
        """

        async def counted() -> int:
            return sum(await self._counts.load((owner, page.only)))

        column = page.order.column.key or ""

        def key(record: Any) -> tuple[Any, UUID]:
            return getattr(record, column), record.id

        found = await self._pages.load((owner, page))
        return page.connection(found, node, key, count or counted)

    async def _count(self, owners: Sequence[UUID], only: Criteria | None) -> Mapping[UUID, list[int]]:
        conditions = () if only is None else only.conditions()
        totals = await self._rows.count_of_each(self._database, self._parent, owners, conditions)
        return {owner: [total] for owner, total in totals.items()}
