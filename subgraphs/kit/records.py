"""Typed records: frozen dataclasses whose fields are the columns of a table or statement, one per row.

The services' `store` modules use them. A `RecordTable` has the statements that all services need: rows by id,
locked rows, pages and counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Table, func, select
from sqlalchemy.dialects.postgresql import insert

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.errors import NotFound
from subgraphs.kit.pagination import Page

Record = TypeVar("Record")
Condition = ColumnElement[bool]


def record(kind: type[Record], row: Row[Any]) -> Record:
    """Return the record of a row, whose columns are the fields of the dataclass `kind`."""
    return kind(**row._asdict())


def record_or_none(kind: type[Record], row: Row[Any] | None) -> Record | None:
    """Return the record of a row, None if there is no row."""
    return None if row is None else record(kind, row)


def records(kind: type[Record], rows: Iterable[Row[Any]]) -> list[Record]:
    """Return the records of rows, in the same order."""
    return [record(kind, row) for row in rows]


def grouped(found: Iterable[Record], field: str) -> dict[UUID, list[Record]]:
    """Return the records as lists by their value of `field`; each list has the order of `found`."""
    lists: dict[UUID, list[Record]] = {}
    for item in found:
        lists.setdefault(getattr(item, field), []).append(item)
    return lists


def values_of(found: object, *names: str) -> dict[str, Any]:
    """Return the values of some fields of a record, by name."""
    return {name: getattr(found, name) for name in names}


async def upsert_newer(session: Session, table: Table, key: str, values: Mapping[str, Any]) -> None:
    """Insert or update the copy of another service's object, unless the row is from a later event.

    `key`: the name of the column with the object's id. `values`: the row's values by column, among them
    `position`, the event's position in the other service's outbox.
    """
    added = insert(table).values(**values)
    changes = {name: added.excluded[name] for name in values if name != key}
    newer = table.c.position < added.excluded.position
    await session.execute(added.on_conflict_do_update(index_elements=[key], set_=changes, where=newer))


async def count(session: Session, table: Table, conditions: Iterable[Condition] = ()) -> int:
    """Return the number of rows of a table that fulfil all conditions."""
    return int(await session.fetch_value(select(func.count()).select_from(table).where(*conditions)))


class RecordTable(Generic[Record]):
    """A table and the dataclass of its rows.

    Example: `RecordTable(bookings, BookingRecord).by_ids(session, ids)` returns `dict[UUID, BookingRecord]`.
    `hidden`: columns that are not selected. The dataclass must have all other columns as its fields;
    otherwise the constructor raises TypeError.
    """

    def __init__(self, table: Table, kind: type[Record], hidden: Sequence[str] = ()) -> None:
        self.columns = [column for column in table.c if column.name not in hidden]
        names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
        columns = {column.name for column in self.columns}
        if names != columns:
            raise TypeError(
                f"{kind.__name__} must have the columns of the table {table.name} as fields;"
                f" only one of the two has {sorted(names ^ columns)}"
            )
        self.table = table
        self.kind = kind
        self._among: dict[str, Select[Any]] = {}

    async def fetch_all(self, session: Session, statement: Select[Any]) -> list[Record]:
        """Return the records that a statement selects, in its order; it must select the record's columns."""
        return records(self.kind, await session.fetch_all(statement))

    async def fetch_one(self, session: Session, statement: Select[Any]) -> Record | None:
        """Return the first record that a statement selects; None if it selects no row."""
        return record_or_none(self.kind, await session.fetch_one(statement))

    async def get(self, session: Session, row_id: UUID) -> Record | None:
        """Return the record with this id, None if there is none."""
        return (await self.by_ids(session, [row_id])).get(row_id)

    async def by_ids(self, session: Session, ids: Sequence[UUID], column: str = "id") -> dict[UUID, Record]:
        """Return the records with these ids, by id, with one statement.

        `column`: the unique column that is compared with the ids, and whose values are the result's keys.
        """
        rows = await session.fetch_all(self._statement(column), ids=ids)
        return {getattr(row, column): record(self.kind, row) for row in rows}

    def _statement(self, column: str) -> Select[Any]:
        """Return the statement for rows whose `column` is in the array parameter `ids`; it is built once."""
        if column not in self._among:
            self._among[column] = select(*self.columns).where(among_ids(self.table.c[column]))
        return self._among[column]

    async def lock(self, session: Session, row_id: UUID, missing: str) -> Record:
        """Return the record with this id, locked until the transaction ends.

        Raises NotFound with the message `missing` if there is none.
        """
        row = await session.fetch_one(
            select(*self.columns).where(self.table.c.id == row_id).with_for_update()
        )
        if row is None:
            raise NotFound(missing)
        return record(self.kind, row)

    async def lock_first(self, session: Session, *conditions: Condition) -> Record | None:
        """Return the first record that fulfils all conditions; None if there is none.

        All rows that fulfil them are locked until the transaction ends.
        """
        return await self.fetch_one(session, select(*self.columns).where(*conditions).with_for_update())

    async def insert(self, session: Session, values: Mapping[str, Any]) -> Record | None:
        """Insert a row and return its record; None, without an error, if it violates a unique constraint.

        The same holds for an exclusion constraint.
        """
        added = insert(self.table).values(**values).on_conflict_do_nothing().returning(*self.columns)
        return record_or_none(self.kind, await session.fetch_one(added))

    async def page(self, session: Session, page: Page, conditions: Iterable[Condition] = ()) -> list[Record]:
        """Return a page of the records that fulfil all conditions, and one more record if there is a next
        page.
        """
        return await self.fetch_all(session, page.select(select(*self.columns).where(*conditions)))

    async def count(self, session: Session, conditions: Iterable[Condition] = ()) -> int:
        """Return the number of rows that fulfil all conditions."""
        return await count(session, self.table, conditions)

    async def page_of_each(
        self,
        session: Session,
        parent: str,
        ids: Sequence[UUID],
        page: Page,
        conditions: Iterable[Condition] = (),
    ) -> dict[UUID, list[Record]]:
        """Return, with one statement, the same page of each parent's records, by parent id.

        `ids` are the parents' ids, `parent` is the name of the column that contains them; only records that
        fulfil all conditions are in the pages. Each list has one more record if there is a next page.
        """
        chosen = select(*self.columns).where(*conditions)
        statement = page.select_of_each(chosen, self.table.c[parent], ids)
        return grouped(await self.fetch_all(session, statement), parent)

    async def count_of_each(
        self, session: Session, parent: str, ids: Sequence[UUID], conditions: Iterable[Condition] = ()
    ) -> dict[UUID, int]:
        """Return, with one statement, the number of each parent's rows that fulfil all conditions,
        by parent id.

        Parents without such a row are absent. `ids` are the parents' ids, `parent` is the name of the column
        that contains them.
        """
        owner = self.table.c[parent]
        counted = select(owner, func.count().label("total")).where(among_ids(owner), *conditions)
        rows = await session.fetch_all(counted.group_by(owner), ids=ids)
        return {getattr(row, parent): row.total for row in rows}
