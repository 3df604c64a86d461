"""Aggregates: a state is what a pure function makes of the stream's events, from the newest snapshot on."""

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

# The snapshot and the events since: one statement, since a command reads one or more states before it writes.
# At least one row.
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
    """A state and the version after which it was so.

    `snapshot_version` is that of the snapshot it was built from.
    """

    stream: Stream
    state: State
    version: int
    snapshot_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate(Generic[State]):
    """How the states of one type of aggregate come about.

    `apply` makes a new state and leaves the old one as it is. `initial` is a frozen dataclass or
    `msgspec.Struct`; when its type or the meaning of `apply` changes, raise `schema_version`: older snapshots
    are then passed over, and events read instead.
    """

    aggregate_type: str
    initial: State
    apply: Callable[[State, StoredEvent], State]
    schema_version: int = 1
    upcasters: Upcasters = field(default_factory=Upcasters)

    def stream(self, aggregate_id: UUID) -> Stream:
        """The stream of one aggregate of the type."""
        return Stream(self.aggregate_type, aggregate_id)

    async def load(self, session: Session, stream: Stream) -> Loaded[State]:
        """The newest state; the initial one, at version 0, where nothing has happened. One statement."""
        return await self._build(session, stream, _NEWEST)

    async def load_at(self, session: Session, stream: Stream, version: int) -> Loaded[State]:
        """The state right after a version (0: before all events). Raises NoSuchVersion."""
        loaded = await self._build(session, stream, version)
        if loaded.version != version:
            raise NoSuchVersion(f"It has come to version {loaded.version} so far")
        return loaded

    async def load_as_of(self, session: Session, stream: Stream, time: datetime) -> Loaded[State]:
        """The state after the last event that occurred at or before a time (with zone). Two statements."""
        version = await session.fetch_value(_AS_OF, aggregate_id=stream.aggregate_id, time=time)
        return await self._build(session, stream, version or 0)

    async def save(
        self, uow: UnitOfWork, loaded: Loaded[State], events: Sequence[NewEvent], context: AppendContext
    ) -> Loaded[State]:
        """Append events to what was loaded, with a snapshot whenever ten have come since the last.

        Answer the new state.

        Raises VersionConflict if somebody else has appended meanwhile.
        """
        newest = [self.upcasters.stamped(event) for event in events]
        written = await append(uow, loaded.stream, loaded.version, newest, context)
        taken: list[Snapshot] = []
        for event in written:
            loaded = self._after(loaded, event)
            if loaded.version - loaded.snapshot_version >= SNAPSHOT_EVERY:
                taken.append(self._snapshot(loaded))
                loaded = replace(loaded, snapshot_version=loaded.version)
        if taken:
            await write_snapshots(uow, loaded.stream, self.schema_version, taken)
        return loaded

    async def snapshot(self, uow: UnitOfWork, stream: Stream) -> int:
        """Take a snapshot now; answer its version, 0 where there is nothing to take."""
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
            start = Loaded(stream, self._thaw(rows[0].state_data), version, version)
        return reduce(self._after, (StoredEvent.of(row) for row in rows if row.event_id is not None), start)

    def _after(self, loaded: Loaded[State], event: StoredEvent) -> Loaded[State]:
        if event.version != loaded.version + 1 or event.stream != loaded.stream:
            raise StreamBroken(
                f"{event.stream}, version {event.version} behind {loaded.stream}, version {loaded.version}"
            )
        state = self.apply(loaded.state, self.upcasters.upcast(event))
        return replace(loaded, state=state, version=event.version)

    def _snapshot(self, loaded: Loaded[State]) -> Snapshot:
        """The state as JSON values; one that would not come back the same is a mistake in its type."""
        frozen: Any = msgspec.to_builtins(loaded.state, str_keys=True)
        if self._thaw(frozen) != loaded.state:
            raise TypeError(f"{type(loaded.state).__name__} does not survive JSON")
        return Snapshot(loaded.version, frozen)

    def _thaw(self, frozen: Any) -> State:
        return msgspec.convert(frozen, type(self.initial), strict=False)
