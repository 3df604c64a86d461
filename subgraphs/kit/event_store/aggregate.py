"""Event-sourced aggregates: loads the state of one, and saves the events that change it.

A pure function computes the state from the newest snapshot and the stream's later events. `sourced` and the
services use it.

Example: with a snapshot at version 10 and events up to version 12, `load` applies events 11 and 12 to the
snapshot's state. Saving one more event gives version 13.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Integer, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB

from subgraphs.kit.database import Session
from subgraphs.kit.event_store.append import append
from subgraphs.kit.event_store.events import (
    AppendContext,
    NewEvent,
    NoSuchVersion,
    StoredEvent,
    Stream,
    StreamBroken,
)
from subgraphs.kit.event_store.snapshots import Snapshot, write_snapshots
from subgraphs.kit.event_store.tables import every_event
from subgraphs.kit.event_store.upcasters import Upcasters
from subgraphs.kit.unit_of_work import UnitOfWork

State = TypeVar("State")
SNAPSHOT_EVERY: Final = 10
_NEWEST: Final = 2**31 - 1

# The newest snapshot and the events after it in one statement, to save a round trip. It returns at least one
# row; event columns are null if there are no events after the snapshot.
_HISTORY = text(
    f"""
WITH snapshot AS (
    SELECT version AS snapshot_version, state_data FROM snapshots
    WHERE aggregate_id = :aggregate_id AND schema_version = :state_version AND version <= :up_to
    ORDER BY version DESC LIMIT 1
)
SELECT snapshot_version, state_data, {", ".join(column.name for column in every_event.c)}
FROM (SELECT 1) AS always LEFT JOIN snapshot ON true LEFT JOIN LATERAL (
    SELECT * FROM every_event
    WHERE aggregate_id = :aggregate_id AND version > coalesce(snapshot_version, 0) AND version <= :up_to
) AS event ON true
ORDER BY version
"""  # noqa: S608 - names of columns, nothing from outside
).columns(
    snapshot_version=Integer, state_data=JSONB, **{column.name: column.type for column in every_event.c}
)
_AS_OF = (
    select(every_event.c.version)
    .where(
        every_event.c.aggregate_id == bindparam("aggregate_id"),
        every_event.c.occurred_at <= bindparam("time"),
    )
    .order_by(every_event.c.version.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[State]):
    """The state of an aggregate at `version`.

    `snapshot_version` is the version of the snapshot that it was computed from, 0 without a snapshot.
    """

    stream: Stream
    state: State
    version: int
    snapshot_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate(Generic[State]):
    """Defines how the states of one type of aggregate are computed.

    `initial`, a frozen dataclass or `msgspec.Struct`, is the state before the first event. `apply` returns
    the state after an event and does not change its argument. Increase `schema_version` when the type of the
    state or the meaning of `apply` changes: snapshots with a lower number are then ignored.
    """

    aggregate_type: str
    initial: State
    apply: Callable[[State, StoredEvent], State]
    schema_version: int = 1
    upcasters: Upcasters = field(default_factory=Upcasters)

    def stream(self, aggregate_id: UUID) -> Stream:
        """Return the stream (type and id) of the aggregate with this id."""
        return Stream(self.aggregate_type, aggregate_id)

    async def load(self, session: Session, stream: Stream) -> Loaded[State]:
        """Return the newest state, with one statement; without events the initial state at version 0."""
        return await self._build(session, stream, _NEWEST)

    async def load_at(self, session: Session, stream: Stream, version: int) -> Loaded[State]:
        """Return the state after the event with this version (0: before all events). Raises NoSuchVersion."""
        loaded = await self._build(session, stream, version)
        if loaded.version != version:
            raise NoSuchVersion(f"There is no version {version}: the newest version is {loaded.version}")
        return loaded

    async def load_as_of(self, session: Session, stream: Stream, time: datetime) -> Loaded[State]:
        """Return the state after the last event that occurred at or before `time`, which needs a time zone.

        It executes two statements.
        """
        version = await session.fetch_value(_AS_OF, aggregate_id=stream.aggregate_id, time=time)
        return await self._build(session, stream, version or 0)

    async def save(
        self, uow: UnitOfWork, loaded: Loaded[State], events: Sequence[NewEvent], context: AppendContext
    ) -> Loaded[State]:
        """Append events to the stream of `loaded`; return the state after them.

        A snapshot is written after every SNAPSHOT_EVERY events. Raises VersionConflict if events were
        appended since the stream was loaded.
        """
        newest = [self.upcasters.stamped(event) for event in events]
        written = await append(uow, loaded.stream, loaded.version, newest, context)
        snapshots: list[Snapshot] = []
        for event in written:
            loaded = self._after(loaded, event)
            if loaded.version - loaded.snapshot_version >= SNAPSHOT_EVERY:
                snapshots.append(self._snapshot(loaded))
                loaded = replace(loaded, snapshot_version=loaded.version)
        if snapshots:
            await write_snapshots(uow, loaded.stream, self.schema_version, snapshots)
        return loaded

    async def snapshot(self, uow: UnitOfWork, stream: Stream) -> int:
        """Write a snapshot of the newest state, unless one exists; return its version (0: no events)."""
        loaded = await self.load(uow, stream)
        if loaded.version > loaded.snapshot_version:
            await write_snapshots(uow, stream, self.schema_version, [self._snapshot(loaded)])
        return loaded.version

    async def _build(self, session: Session, stream: Stream, up_to: int) -> Loaded[State]:
        rows = await session.fetch_all(
            _HISTORY, aggregate_id=stream.aggregate_id, state_version=self.schema_version, up_to=up_to
        )
        version = rows[0].snapshot_version
        start = Loaded(stream, self.initial, 0, 0)
        if version is not None:
            start = Loaded(stream, self._decode_state(rows[0].state_data), version, version)
        return reduce(self._after, (StoredEvent.of(row) for row in rows if row.event_id is not None), start)

    def _after(self, loaded: Loaded[State], event: StoredEvent) -> Loaded[State]:
        if event.version != loaded.version + 1 or event.stream != loaded.stream:
            raise StreamBroken(
                f"expected version {loaded.version + 1} of {loaded.stream},"
                f" got version {event.version} of {event.stream}: restore the missing event from a backup"
            )
        state = self.apply(loaded.state, self.upcasters.upcast(event))
        return replace(loaded, state=state, version=event.version)

    def _snapshot(self, loaded: Loaded[State]) -> Snapshot:
        """Encode the state as JSON values.

        Raises TypeError if decoding the values gives a different state.
        """
        encoded: Any = msgspec.to_builtins(loaded.state, str_keys=True)
        if self._decode_state(encoded) != loaded.state:
            raise TypeError(
                f"a snapshot must decode to the same state, but {type(loaded.state).__name__} changes"
                " when it is encoded as JSON and decoded: use field types that msgspec restores"
            )
        return Snapshot(loaded.version, encoded)

    def _decode_state(self, encoded: Any) -> State:
        return msgspec.convert(encoded, type(self.initial), strict=False)
