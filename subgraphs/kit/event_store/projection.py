"""Projections: tables that are computed from events.

The changes of a batch of events and the checkpoint, the cursor behind the last event of the batch, are
written in one transaction, so each event is applied once, also if a process is killed. Tables belong to a
generation: while one generation serves queries, `rebuild` fills the next. A view under the table's plain name
selects from the generation that serves.

Example: the projection `scores` has the tables `scores_g1` and, during a rebuild, `scores_g2`; the view
`scores` selects from `scores_g1` until the rebuild ends.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy import Row, text

from subgraphs.kit.event_store.events import Cursor, StoredEvent
from subgraphs.kit.event_store.feed import read_after
from subgraphs.kit.event_store.upcasters import Upcasters
from subgraphs.kit.unit_of_work import UnitOfWork

Handler = Callable[[UnitOfWork, StoredEvent, int], Awaitable[None]]
"""Applies one event to the tables of a generation, in the unit of work; it must have no other effects."""

BATCH = 500
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_CREATE = text(
    "INSERT INTO projection_checkpoints (name, generation, serving, revision) "
    "VALUES (:name, :generation, :serving, :revision) "
    "ON CONFLICT DO NOTHING"
)
_EXISTS = text("SELECT 1 FROM projection_checkpoints WHERE name = :name AND serving")
_TRY_CREATE_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('create ' || :name, 0))")
_LOCK = (
    "SELECT * FROM projection_checkpoints WHERE name = :name AND revision = :revision AND {which} FOR UPDATE"
)
_LOCK_SERVING = text(_LOCK.format(which="serving") + " SKIP LOCKED")
_LOCK_GENERATION = text(_LOCK.format(which="generation = :generation"))
_ADVANCE = text(
    """
UPDATE projection_checkpoints SET transaction_id = cast(cast(:transaction_id AS text) AS xid8), position = :position,
    updated_at = clock_timestamp(), events_applied = events_applied + :applied
WHERE name = :name AND generation = :generation
"""
)


class Projection(ABC):
    """Tables, how to create them, and how each type of event changes them.

    Events without a handler are skipped.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]
    """The plain names of the tables, which queries use (lower case, at most 41 characters)."""
    revision: ClassVar[int] = 1
    """Raise it with every change of handlers or tables, and rebuild.

    A process does not change tables of another revision.
    """
    upcasters: ClassVar[Upcasters] = Upcasters()

    @property
    @abstractmethod
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by event type; they receive events in the newest schema."""

    @abstractmethod
    async def prepare(self, uow: UnitOfWork, generation: int) -> None:
        """Create the empty tables of a generation; `table` gives their names."""

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """Apply events, in the global order, to the tables of a generation; return how many had a handler."""
        handlers, applied = self.handlers, 0
        for event in events:
            handler = handlers.get(event.event_type)
            if handler is not None:
                await handler(uow, self.upcasters.upcast(event), generation)
                applied += 1
        return applied

    def table(self, plain: str, generation: int) -> str:
        """Return the name of a table in a generation."""
        return f"{plain}_g{generation}"

    async def discard(self, uow: UnitOfWork, generation: int) -> None:
        """Drop the tables of a generation that does not serve any more."""
        for plain in self.tables:
            await uow.execute(
                text(f"DROP TABLE IF EXISTS {self.table(checked_table_name(plain), generation)}")
            )

    def shown(self, plain: str, generation: int) -> str:
        """Return the SELECT of the view under a plain name; override it to hide rows from queries."""
        return f"SELECT * FROM {self.table(checked_table_name(plain), generation)}"  # noqa: S608 - checked

    async def show(self, uow: UnitOfWork, generation: int) -> None:
        """Create the views under the plain names anew, over the tables of a generation.

        Other views that depend on them have to be created again.
        """
        for plain in self.tables:
            await uow.execute(text(f"DROP VIEW IF EXISTS {checked_table_name(plain)}"))
            await uow.execute(text(f"CREATE VIEW {plain} AS {self.shown(plain, generation)}"))


def _own(projection: Projection) -> dict[str, Any]:
    return {"name": projection.name, "revision": projection.revision}


def checked_table_name(plain: str) -> str:
    """Return the name, which is safe to put into SQL. Raises ValueError for a name that is not."""
    if not _NAME.fullmatch(plain):
        raise ValueError(f"a table name must match {_NAME.pattern}, got {plain!r}")
    return plain


async def create(
    uow: UnitOfWork, projection: Projection, generation: int = 1, *, serving: bool = True
) -> None:
    """Create the tables and the checkpoint of a generation, if it does not exist; several processes may call
    it.
    """
    checkpoint = _CREATE.bindparams(generation=generation, serving=serving, **_own(projection))
    if await uow.execute(checkpoint) == 1:
        await projection.prepare(uow, generation)
        if serving:
            await projection.show(uow, generation)


async def apply_next(uow: UnitOfWork, projection: Projection, limit: int = BATCH) -> int | None:
    """Apply the next events to the serving generation and move its checkpoint; return how many were read.

    0: all events were read. None: another process applies events now, or the tables have another revision and
    need a rebuild. Raises the errors of handlers; the unit of work has to fail with them.
    """
    checkpoint = await uow.fetch_one(_LOCK_SERVING, **_own(projection))
    if checkpoint is None and await uow.fetch_value(_EXISTS, name=projection.name) is None:
        if not await uow.fetch_value(_TRY_CREATE_LOCK, name=projection.name):
            return None
        await create(uow, projection)
        checkpoint = await uow.fetch_one(_LOCK_SERVING, **_own(projection))
    return await advance(uow, projection, checkpoint, limit) if checkpoint is not None else None


async def apply_to(uow: UnitOfWork, projection: Projection, generation: int, limit: int = BATCH) -> int:
    """Apply the next events to one generation, after waiting for its lock; return how many were read.

    Raises LookupError if the generation does not exist.
    """
    checkpoint = await uow.fetch_one(_LOCK_GENERATION, generation=generation, **_own(projection))
    if checkpoint is None:
        raise LookupError(f"{projection.name} has no generation {generation}")
    return await advance(uow, projection, checkpoint, limit)


async def advance(uow: UnitOfWork, projection: Projection, checkpoint: Row[Any], limit: int) -> int:
    """Apply the events behind a locked checkpoint, at most `limit`, and move it; return how many were
    read.
    """
    events = await read_after(uow, Cursor(checkpoint.transaction_id, checkpoint.position), limit)
    if events:
        applied = await projection.apply(uow, events, checkpoint.generation)
        cursor = events[-1].cursor
        moved = _ADVANCE.bindparams(name=projection.name, generation=checkpoint.generation, applied=applied)
        values = {"transaction_id": str(cursor.transaction_id), "position": cursor.position}
        await uow.execute(moved, [values])
    return len(events)
