"""The base class of the three projections: events as JSON for statements, views, and latencies."""

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
    """The statements that create the tables.

    A plain name in braces, as in `{musician_read_model}`, stands for the table's name in the generation.
    """
    conditions: ClassVar[Mapping[str, str]] = {}
    """By plain name, the condition for rows that queries see; it excludes incomplete rows."""
    views: ClassVar[Mapping[str, str]] = {}
    """Views on the plain names, by name."""

    def __init__(self) -> None:
        self.latencies = Latencies()
        self._applied: list[datetime] = []

    async def prepare(self, uow: UnitOfWork, generation: int) -> None:
        for statement in self.ddl:
            await uow.execute(text(self.with_table_names(statement, generation)))

    def shown(self, plain: str, generation: int) -> str:
        """Return the SELECT of the view under a plain name, which excludes incomplete rows by
        `conditions`.
        """
        condition = self.conditions.get(plain)
        return super().shown(plain, generation) + (f" WHERE {condition}" if condition else "")

    async def show(self, uow: UnitOfWork, generation: int) -> None:
        """Create the views under the plain names anew, and the views that depend on them."""
        for name in self.views:
            await uow.execute(text(f"DROP VIEW IF EXISTS {checked_table_name(name)}"))
        await super().show(uow, generation)
        for name, query in self.views.items():
            await uow.execute(text(f"CREATE VIEW {checked_table_name(name)} AS {query}"))

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """Apply events, and store the times of those that came from the queue for `committed`."""
        known = frozenset(self.handlers)
        self._applied = [
            at for event in events if event.event_type in known and (at := _occurred_at(event)) is not None
        ]
        return await super().apply(uow, events, generation)

    def committed(self, now: datetime) -> None:
        """Record the latencies of the last batch, which is visible since `now`."""
        for at in self._applied:
            self.latencies.add((now - at).total_seconds() * 1000)
        self._applied = []

    def with_table_names(self, statement: str, generation: int) -> str:
        """Return a statement with the plain names in braces replaced by the tables' names in a generation."""
        return statement.format_map(
            {plain: self.table(checked_table_name(plain), generation) for plain in self.tables}
        )

    async def execute(
        self, uow: UnitOfWork, statement: str, events: Sequence[StoredEvent], generation: int
    ) -> Sequence[Row[Any]]:
        """Execute a statement with the events as JSON in its parameter `:told`; return the rows that it
        returns.
        """
        result = await (await uow.connection()).execute(
            text(self.with_table_names(statement, generation)), {"told": rows_of(events)}
        )
        return result.all() if result.returns_rows else ()


def rows_of(events: Sequence[StoredEvent]) -> str:
    """Encode events as a JSON array of their fields, with `told_position`, the position in the outbox of
    the event's service, and `told_at`, the time of its occurrence.
    """
    return orjson.dumps([{**event.data, **_order_fields(event)} for event in events]).decode()


def _order_fields(event: StoredEvent) -> dict[str, Any]:
    return {
        "told_position": event.metadata.get("position", 0),
        "told_at": event.metadata.get("occurred_at") or event.occurred_at.isoformat(),
    }


def _occurred_at(event: StoredEvent) -> datetime | None:
    """Return when an event from the queue occurred; None for events of the sample data, which have no such
    time.
    """
    at = event.metadata.get("occurred_at")
    return datetime.fromisoformat(at) if at else None
