"""The base class of the read side's projections.

A projection passes a whole batch of events as JSON to each SQL statement, hides incomplete rows from queries
by views, and measures latencies.
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
    """A projection of the read side, whose steps execute SQL statements with batches of events as JSON."""

    ddl: ClassVar[Sequence[str]]
    """The statements that create the tables.

    A table's plain name in braces, as in `{musician_read_model}`, stands for its name in a generation.
    """
    conditions: ClassVar[Mapping[str, str]] = {}
    """By plain name of a table, the SQL condition of rows that queries see; it excludes incomplete rows."""
    cache_tags: ClassVar[Sequence[str]] = ()
    """The tags of replies that a change of the tables makes invalid."""
    views: ClassVar[Mapping[str, str]] = {}
    """Further views, which select from the plain names: the SELECT statement by name of the view."""

    def __init__(self) -> None:
        self.latencies = Latencies()
        self._applied: list[datetime] = []
        self._has_changed = False

    async def prepare(self, uow: UnitOfWork, generation: int) -> None:
        for statement in self.ddl:
            await uow.execute(text(self.with_table_names(statement, generation)))

    def shown(self, plain: str, generation: int) -> str:
        """Return the SELECT statement of the view `plain`, with the view's condition in `conditions`."""
        condition = self.conditions.get(plain)
        return super().shown(plain, generation) + (f" WHERE {condition}" if condition else "")

    async def show(self, uow: UnitOfWork, generation: int) -> None:
        """Create the views under the plain names over a generation, and the views that select from them."""
        for name in self.views:
            await uow.execute(text(f"DROP VIEW IF EXISTS {checked_table_name(name)}"))
        await super().show(uow, generation)
        for name, query in self.views.items():
            await uow.execute(text(f"CREATE VIEW {checked_table_name(name)} AS {query}"))

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """Apply events to a generation's tables; return how many had a handler.

        The times at which the events occurred are stored until `committed` computes latencies from them.
        """
        known = frozenset(self.handlers)
        self._applied = [
            at for event in events if event.event_type in known and (at := _occurred_at(event)) is not None
        ]
        count = await super().apply(uow, events, generation)
        self._has_changed = self._has_changed or count > 0
        return count

    def changed_tags(self) -> Sequence[str]:
        """Return the tags to publish after a commit: none if no event since the last call was applied."""
        has_changed, self._has_changed = self._has_changed, False
        return self.cache_tags if has_changed else ()

    def committed(self, now: datetime) -> None:
        """Record a latency for each event of the last applied batch.

        It is the time from the event's occurrence until `now`, when the batch was committed.
        """
        for at in self._applied:
            self.latencies.add((now - at).total_seconds() * 1000)
        self._applied = []

    def with_table_names(self, statement: str, generation: int) -> str:
        """Return a statement with each plain name in braces replaced by the table's name in the
        generation.
        """
        return statement.format_map(
            {plain: self.table(checked_table_name(plain), generation) for plain in self.tables}
        )

    async def execute(
        self, uow: UnitOfWork, statement: str, events: Sequence[StoredEvent], generation: int
    ) -> Sequence[Row[Any]]:
        """Execute a statement with the events as JSON (`rows_of`) in its parameter `:told`; return
        its rows.
        """
        result = await (await uow.connection()).execute(
            text(self.with_table_names(statement, generation)), {"told": rows_of(events)}
        )
        return result.all() if result.returns_rows else ()


def rows_of(events: Sequence[StoredEvent]) -> str:
    """Return events as the text of a JSON array of objects with their fields.

    Each object also has `told_position`, the event's position in the outbox of its service, and `told_at`,
    the time at which it occurred.
    """
    return orjson.dumps([{**event.data, **_order_fields(event)} for event in events]).decode()


def _order_fields(event: StoredEvent) -> dict[str, Any]:
    return {
        "told_position": event.metadata.get("position", 0),
        "told_at": event.metadata.get("occurred_at") or event.occurred_at.isoformat(),
    }


def _occurred_at(event: StoredEvent) -> datetime | None:
    """Return when an event from the queue occurred; None for an event that did not come from the queue.

    Such events are those of the sample data and of repairs.
    """
    at = event.metadata.get("occurred_at")
    return datetime.fromisoformat(at) if at else None
