"""What the three projections share.

Events as rows of a statement, views on the read models, and the latency of each event.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import orjson
from sqlalchemy import Row, text

from subgraphs.kit.event_store.batches import BatchProjection
from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.event_store.projection import checked_table_name
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.read_side.model import Latencies


class LogProjection(BatchProjection):
    """A projection of the read side."""

    ddl: ClassVar[Sequence[str]]
    """The statements that make the tables.

    `{table}` stands for a table's name in the generation, as in `{musician_read_model}`.
    """
    conditions: ClassVar[Mapping[str, str]] = {}
    """What the rows of a table must fulfil to be shown under its plain name.

    Rows that are only known in part are not.
    """
    views: ClassVar[Mapping[str, str]] = {}
    """Views on the plain names, by name."""

    def __init__(self) -> None:
        self.latencies = Latencies()
        self._applied: list[datetime] = []

    async def prepare(self, uow: UnitOfWork, generation: int) -> None:
        """See Projection."""
        for statement in self.ddl:
            await uow.execute(text(self.named(statement, generation)))

    def shown(self, plain: str, generation: int) -> str:
        """See Projection."""
        condition = self.conditions.get(plain)
        return super().shown(plain, generation) + (f" WHERE {condition}" if condition else "")

    async def show(self, uow: UnitOfWork, generation: int) -> None:
        """See Projection; views on the read model are made anew with it."""
        for name in self.views:
            await uow.execute(text(f"DROP VIEW IF EXISTS {checked_table_name(name)}"))
        await super().show(uow, generation)
        for name, query in self.views.items():
            await uow.execute(text(f"CREATE VIEW {checked_table_name(name)} AS {query}"))

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """See Projection."""
        known = frozenset(self.handlers)
        self._applied = [
            at for event in events if event.event_type in known and (at := _told_at(event)) is not None
        ]
        return await super().apply(uow, events, generation)

    def committed(self, now: datetime) -> None:
        """What was applied last can be seen from now on."""
        for at in self._applied:
            self.latencies.add((now - at).total_seconds() * 1000)
        self._applied = []

    def named(self, statement: str, generation: int) -> str:
        """A statement with the names of the tables in a generation."""
        return statement.format_map(
            {plain: self.table(checked_table_name(plain), generation) for plain in self.tables}
        )

    async def execute(
        self, uow: UnitOfWork, statement: str, events: Sequence[StoredEvent], generation: int
    ) -> Sequence[Row[Any]]:
        """A statement over events, which it finds as JSON in `:told`; answers the rows that it returns."""
        result = await (await uow.connection()).execute(
            text(self.named(statement, generation)), {"told": rows_of(events)}
        )
        return result.all() if result.returns_rows else ()


def rows_of(events: Sequence[StoredEvent]) -> str:
    """Events as a JSON array: the fields of each, its place in the outbox of its service, and when it
    occurred.
    """
    return orjson.dumps([{**event.data, **_place(event)} for event in events]).decode()


def _place(event: StoredEvent) -> dict[str, Any]:
    return {
        "told_position": event.metadata.get("position", 0),
        "told_at": event.metadata.get("occurred_at") or event.occurred_at.isoformat(),
    }


def _told_at(event: StoredEvent) -> datetime | None:
    """When an event occurred that came by the queue; sample data did not."""
    at = event.metadata.get("occurred_at")
    return datetime.fromisoformat(at) if at else None
