"""Tables whose rows are the current states of event-sourced aggregates, for queries, lists and joins.

Profiles, requests, bookings and escrows have such tables. A change appends an event and writes the row from
the stream's new state in one transaction; event and row have the same version. If other SQL changes a row,
the table's trigger appends an event with the change (migration 0007).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID, uuid4

import msgspec
import structlog
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from subgraphs.kit import cause
from subgraphs.kit.event_store.aggregate import Aggregate, Loaded
from subgraphs.kit.event_store.events import AppendContext, NewEvent, StoredEvent, VersionConflict
from subgraphs.kit.messages import Event
from subgraphs.kit.records import RecordTable, record, record_or_none
from subgraphs.kit.unit_of_work import UnitOfWork

log = structlog.get_logger("subgraphs.sourced")


class VersionedRecord(Protocol):
    """The record of a row of an event-sourced table."""

    @property
    def id(self) -> UUID:
        """The id of the aggregate."""
        ...

    @property
    def version(self) -> int:
        """The version of the aggregate's state that the row contains."""
        ...


State = TypeVar("State", bound=msgspec.Struct)
Record = TypeVar("Record", bound=VersionedRecord)
Facts = Callable[[Record], Mapping[str, Any]]
"""Returns the fields of the event to publish, by name; its argument is the record after the change."""
VERIFY_BATCH = 100
# While the setting `mussikon.loading` is "on", the trigger appends no event for a changed row.
_SET_LOADING = text("SELECT set_config('mussikon.loading', :on, true)")


def merge_changes(state: State, event: StoredEvent) -> State:
    """Return a state after an event whose data are new values of fields, by name.

    It is the function `apply` of all aggregates in event-sourced tables.
    """
    return msgspec.convert({**msgspec.to_builtins(state), **event.data}, type(state), strict=False)


@dataclass(frozen=True, slots=True)
class RowDrift:
    """A row that differed from its stream's state, and the columns that differed; the row was repaired."""

    aggregate_id: UUID
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of comparing up to VERIFY_BATCH rows with their streams.

    `drifts` are the rows that differed and were repaired. `next` is the id to pass to the next call; None:
    all rows were compared.
    """

    compared: int
    drifts: Sequence[RowDrift]
    next: UUID | None


class EventSourcedTable(Generic[State, Record]):
    """Writes the aggregates of one type: their events, and the table of their current states.

    The table has the columns `id`, `version`, `updated_at` and columns named like fields of the state. A
    field of the state that has no column is written by the caller, for example to a table of its own.
    """

    def __init__(self, aggregate: Aggregate[State], rows: RecordTable[Record]) -> None:
        self.aggregate = aggregate
        self.table = rows.table
        self.kind = rows.kind
        self._columns = [name for name in aggregate.initial.__struct_fields__ if name in self.table.c]

    async def create(
        self,
        uow: UnitOfWork,
        row_id: UUID,
        values: Mapping[str, Any],
        event: type[Event],
        facts: Facts[Record],
    ) -> Record | None:
        """Create a stream with its first event, insert its row and publish the event; return the new record.

        `values` are the fields of the state that differ from the initial one; `facts` computes the fields of
        the published event from the new record. Returns None if the row violates a unique constraint; the
        caller must then not commit the unit of work.
        """
        start = Loaded(self.aggregate.stream(row_id), self.aggregate.initial, 0, 0)
        event_id, loaded = await self._append(uow, start, event, values)
        added = insert(self.table).values(id=row_id, version=loaded.version, **self._row_of(loaded.state))
        row = await uow.fetch_one(added.on_conflict_do_nothing().returning(self.table))
        created = record_or_none(self.kind, row)
        if created is not None:
            uow.emit(event(**facts(created), event_id=event_id), loaded.version)
        return created

    async def change(
        self,
        uow: UnitOfWork,
        before: Record,
        values: Mapping[str, Any],
        event: type[Event],
        facts: Facts[Record],
    ) -> Record:
        """Append an event with changed values, update the row and publish the event; return the new record.

        `before` is the record that the caller has read; `values` are new values of the state's fields, by
        name; `facts` computes the fields of the published event from the new record. Raises
        VersionConflict if the aggregate was changed since `before` was read.
        """
        loaded = await self.aggregate.load(uow, self.aggregate.stream(before.id))
        if loaded.version != before.version:
            raise VersionConflict(before.version, loaded.version)
        event_id, loaded = await self._append(uow, loaded, event, values)
        changed = await self._write(uow, loaded)
        uow.emit(event(**facts(changed), event_id=event_id), loaded.version)
        return changed

    async def verify(self, uow: UnitOfWork, after: UUID = UUID(int=0)) -> Verification:
        """Compare up to VERIFY_BATCH rows with ids above `after` with their streams; repair those that
        differ.

        A repaired row gets the stream's state. A row without a stream is logged and not changed.
        """
        statement = select(self.table).where(self.table.c.id > bindparam("after")).order_by(self.table.c.id)
        rows = await uow.fetch_all(statement.limit(VERIFY_BATCH).with_for_update(), after=after)
        drifts: list[RowDrift] = []
        for row in rows:
            loaded = await self.aggregate.load(uow, self.aggregate.stream(row.id))
            if not loaded.version:  # a missing stream is no reason to clear the row
                log.warning(
                    "row has no events: call the SQL function adopt_rows to create its stream",
                    table=self.table.name,
                    id=str(row.id),
                )
                continue
            expected = {**self._row_of(loaded.state), "version": loaded.version}
            if differing := tuple(
                name for name, value in expected.items() if _differ(getattr(row, name), value)
            ):
                await uow.fetch_value(_SET_LOADING, on="on")
                await self._write(uow, loaded)
                await uow.fetch_value(_SET_LOADING, on="")
                drifts.append(RowDrift(row.id, differing))
        return Verification(len(rows), drifts, rows[-1].id if len(rows) == VERIFY_BATCH else None)

    async def _append(
        self, uow: UnitOfWork, loaded: Loaded[State], event: type[Event], values: Mapping[str, Any]
    ) -> tuple[UUID, Loaded[State]]:
        data: Any = msgspec.to_builtins(dict(values))
        new = NewEvent(event_type=event.__name__, data=data, event_id=uuid4())
        return new.event_id, await self.aggregate.save(uow, loaded, [new], append_context())

    async def _write(self, uow: UnitOfWork, loaded: Loaded[State]) -> Record:
        changes = {**self._row_of(loaded.state), "version": loaded.version, "updated_at": func.now()}
        statement = update(self.table).where(self.table.c.id == loaded.stream.aggregate_id).values(**changes)
        return record(self.kind, (await uow.fetch_all(statement.returning(self.table)))[0])

    def _row_of(self, state: State) -> dict[str, Any]:
        values = ((name, getattr(state, name)) for name in self._columns)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def append_context() -> AppendContext:
    """Return the current cause (`kit/cause`) as the context of appended events."""
    current = cause.current()
    return AppendContext(
        created_by=current.created_by,
        correlation_id=cause.as_uuid(current.correlation_id),
        causation_id=current.causation_id,
    )


def _differ(stored: Any, expected: Any) -> bool:
    return bool((list(stored) if isinstance(stored, tuple) else stored) != expected)
