"""Rows that are what the events of their streams say.

What a service decides on, lists and joins, beside the truth.

A change appends an event and writes the row from the state that then follows from the stream, in one
transaction; both carry the same version. Whoever changes such a row by hand has an event made by the table's
trigger (migration 0007).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

import msgspec
import structlog
from sqlalchemy import Row, Table, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from subgraphs.kit import cause
from subgraphs.kit.event_store.aggregate import Aggregate, Loaded
from subgraphs.kit.event_store.events import AppendContext, NewEvent, StoredEvent, VersionConflict
from subgraphs.kit.messages import Event
from subgraphs.kit.unit_of_work import UnitOfWork

log = structlog.get_logger("subgraphs.sourced")

State = TypeVar("State", bound=msgspec.Struct)
Facts = Callable[[Row[Any]], Mapping[str, Any]]
"""The fields of the event to publish, made of the row as it is after the change."""
VERIFIED = 100
_REPAIRING = text(
    "SELECT set_config('mussikon.loading', :on, true)"
)  # or the trigger would take it for somebody's change


def merge_changes(state: State, event: StoredEvent) -> State:
    """The state with the fields that an event has changed.

    An event's data are the new values by their names.
    """
    return msgspec.convert({**msgspec.to_builtins(state), **event.data}, type(state), strict=False)


@dataclass(frozen=True, slots=True)
class RowDrift:
    """A row that is not what its stream says, and the columns that differ; it was written from the stream."""

    aggregate_id: UUID
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """So many rows were compared, and those that differed written anew.

    `next` is where to go on, None at the end.
    """

    compared: int
    drifts: Sequence[RowDrift]
    next: UUID | None


class EventSourcedTable(Generic[State]):
    """A type of aggregate and the table of its rows, with the columns `id`, `version`, `updated_at` and
    fields of the state.

    Fields of the state that the table lacks are kept elsewhere, by whoever changes them.
    """

    def __init__(self, aggregate: Aggregate[State], table: Table) -> None:
        self.aggregate = aggregate
        self.table = table
        self._columns = [name for name in aggregate.initial.__struct_fields__ if name in table.c]

    async def create(
        self, uow: UnitOfWork, row_id: UUID, values: Mapping[str, Any], event: type[Event], facts: Facts
    ) -> Row[Any] | None:
        """Begin a stream, add its row and publish the event.

        None, with nothing to be committed, if a unique constraint forbids it.
        """
        start = Loaded(self.aggregate.stream(row_id), self.aggregate.initial, 0, 0)
        event_id, loaded = await self._append(uow, start, event, values)
        added = insert(self.table).values(id=row_id, version=loaded.version, **self._row_of(loaded.state))
        row = await uow.fetch_one(added.on_conflict_do_nothing().returning(self.table))
        if row is not None:
            uow.emit(event(**facts(row), event_id=event_id), loaded.version)
        return row

    async def change(
        self, uow: UnitOfWork, row: Row[Any], values: Mapping[str, Any], event: type[Event], facts: Facts
    ) -> Row[Any]:
        """Append the change, write the row and publish the event; answer the row as it is now.

        Raises VersionConflict where somebody has changed it since it was read.
        """
        loaded = await self.aggregate.load(uow, self.aggregate.stream(row.id))
        if loaded.version != row.version:
            raise VersionConflict(row.version, loaded.version)
        event_id, loaded = await self._append(uow, loaded, event, values)
        changed = await self._write(uow, loaded)
        uow.emit(event(**facts(changed), event_id=event_id), loaded.version)
        return changed

    async def verify(self, uow: UnitOfWork, after: UUID = UUID(int=0)) -> Verification:
        """Compare the next rows (by id) with their streams and repair those that differ.

        A row without a stream stays as it is.
        """
        wanted = select(self.table).where(self.table.c.id > bindparam("after")).order_by(self.table.c.id)
        rows = await uow.fetch_all(wanted.limit(VERIFIED).with_for_update(), after=after)
        found: list[RowDrift] = []
        for row in rows:
            loaded = await self.aggregate.load(uow, self.aggregate.stream(row.id))
            if not loaded.version:  # its stream says nothing, which is no reason to make nothing of the row
                log.warning(
                    "a row has no events: adopt_rows begins its stream", table=self.table.name, id=str(row.id)
                )
                continue
            expected = {**self._row_of(loaded.state), "version": loaded.version}
            if differing := tuple(
                name for name, value in expected.items() if _differ(getattr(row, name), value)
            ):
                await uow.fetch_value(_REPAIRING, on="on")
                await self._write(uow, loaded)
                await uow.fetch_value(_REPAIRING, on="")
                found.append(RowDrift(row.id, differing))
        return Verification(len(rows), found, rows[-1].id if len(rows) == VERIFIED else None)

    async def _append(
        self, uow: UnitOfWork, loaded: Loaded[State], event: type[Event], values: Mapping[str, Any]
    ) -> tuple[UUID, Loaded[State]]:
        data: Any = msgspec.to_builtins(dict(values))
        new = NewEvent(event_type=event.__name__, data=data, event_id=uuid4())
        return new.event_id, await self.aggregate.save(uow, loaded, [new], append_context())

    async def _write(self, uow: UnitOfWork, loaded: Loaded[State]) -> Row[Any]:
        changes = {**self._row_of(loaded.state), "version": loaded.version, "updated_at": func.now()}
        statement = update(self.table).where(self.table.c.id == loaded.stream.aggregate_id).values(**changes)
        return (await uow.fetch_all(statement.returning(self.table)))[0]

    def _row_of(self, state: State) -> dict[str, Any]:
        values = ((name, getattr(state, name)) for name in self._columns)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def append_context() -> AppendContext:
    """Who appends and why, from `kit/cause`; a correlation id that is no UUID stands for one."""
    now = cause.current()
    return AppendContext(
        created_by=now.created_by,
        correlation_id=cause.as_uuid(now.correlation_id),
        causation_id=now.causation_id,
    )


def _differ(kept: Any, expected: Any) -> bool:
    return bool((list(kept) if isinstance(kept, tuple) else kept) != expected)
