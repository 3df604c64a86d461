"""Projections: tables that are computed from the events of the event store, in the global order.

One transaction writes the changes of a batch of events and the checkpoint (the cursor behind the batch's last
event), so each event is applied once, also if a process is killed. Tables belong to a generation: while one
generation serves queries, `rebuild` fills the next. A view under the table's plain name (without a
generation) selects from the generation that serves.

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
"""Applies one event to the tables of the generation with the given number, in the unit of work.

It must have no other effects.
"""

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
UPDATE projection_checkpoints
SET transaction_id = cast(cast(:transaction_id AS text) AS xid8), position = :position,
    updated_at = clock_timestamp(), events_applied = events_applied + :applied
WHERE name = :name AND generation = :generation
"""
)


class Projection(ABC):
    """Defines tables that are computed from events: how to create them, and how each event type changes them.

    Events of other types are skipped.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]
    """The plain names of the tables, which queries use (lower case, at most 41 characters)."""
    revision: ClassVar[int] = 1
    """The number of the code's version; increase it with every change of handlers or tables, and rebuild.

    A process whose code has another revision than the tables applies no events to them.
    """
    upcasters: ClassVar[Upcasters] = Upcasters()

    @property
    @abstractmethod
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by event type; they receive events in the newest schema."""

    @abstractmethod
    async def prepare(self, uow: UnitOfWork, generation: int) -> None:
        """Create the empty tables of a generation, with the names that `table` returns."""

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """Apply events, given in the global order, to a generation's tables; return how many had a
        handler.
        """
        handlers, applied = self.handlers, 0
        for event in events:
            handler = handlers.get(event.event_type)
            if handler is not None:
                await handler(uow, self.upcasters.upcast(event), generation)
                applied += 1
        return applied

    def table(self, plain: str, generation: int) -> str:
        """Return the name of a table in a generation: "scores_g2" for "scores" and 2."""
        return f"{plain}_g{generation}"

    async def discard(self, uow: UnitOfWork, generation: int) -> None:
        """Drop the tables of a generation, which must not be the one that serves."""
        for plain in self.tables:
            await uow.execute(
                text(f"DROP TABLE IF EXISTS {self.table(checked_table_name(plain), generation)}")
            )

    def shown(self, plain: str, generation: int) -> str:
        """Return the SELECT statement of the view `plain`; override it to hide rows from queries."""
        return f"SELECT * FROM {self.table(checked_table_name(plain), generation)}"  # noqa: S608 - checked

    async def show(self, uow: UnitOfWork, generation: int) -> None:
        """Drop the views under the plain names and create them over the tables of a generation.

        A subclass with further views, which select from these, must override the method to drop and create
        them, too: PostgreSQL does not drop a view from which another view selects.
        """
        for plain in self.tables:
            await uow.execute(text(f"DROP VIEW IF EXISTS {checked_table_name(plain)}"))
            await uow.execute(text(f"CREATE VIEW {plain} AS {self.shown(plain, generation)}"))


def _own(projection: Projection) -> dict[str, Any]:
    return {"name": projection.name, "revision": projection.revision}


def checked_table_name(plain: str) -> str:
    """Return `plain` if it is a table name that is safe in the text of a statement; else raise ValueError."""
    if not _NAME.fullmatch(plain):
        raise ValueError(f"a table name must match {_NAME.pattern}, got {plain!r}")
    return plain


async def create(
    uow: UnitOfWork, projection: Projection, generation: int = 1, *, serving: bool = True
) -> None:
    """Create tables and checkpoint of a generation, unless it exists.

    `serving`: the generation serves queries, so the views that select from its tables are created, too.

    Several processes may call it at the same time.
    """
    checkpoint = _CREATE.bindparams(generation=generation, serving=serving, **_own(projection))
    if await uow.execute(checkpoint) == 1:
        await projection.prepare(uow, generation)
        if serving:
            await projection.show(uow, generation)


async def apply_next(uow: UnitOfWork, projection: Projection, limit: int = BATCH) -> int | None:
    """Apply the next events to the serving generation and move its checkpoint; return how many were read.

    Creates the first generation if there is none. 0: there was no new event. None: another process applies
    events now, or code of another `revision` has filled the tables, so that they need a rebuild. Raises the
    errors of handlers; the caller must then not commit the unit of work.
    """
    checkpoint = await uow.fetch_one(_LOCK_SERVING, **_own(projection))
    if checkpoint is None and await uow.fetch_value(_EXISTS, name=projection.name) is None:
        if not await uow.fetch_value(_TRY_CREATE_LOCK, name=projection.name):
            return None
        await create(uow, projection)
        checkpoint = await uow.fetch_one(_LOCK_SERVING, **_own(projection))
    return await advance(uow, projection, checkpoint, limit) if checkpoint is not None else None


async def apply_to(uow: UnitOfWork, projection: Projection, generation: int, limit: int = BATCH) -> int:
    """Wait for the lock of a generation and apply the next events to it; return how many were read.

    Raises LookupError if there is no such generation, or code of another `revision` has created it.
    """
    checkpoint = await uow.fetch_one(_LOCK_GENERATION, generation=generation, **_own(projection))
    if checkpoint is None:
        raise LookupError(
            f"the read model {projection.name} has no tables of rebuild {generation} that revision"
            f" {projection.revision} of its code has made: start the rebuild again"
        )
    return await advance(uow, projection, checkpoint, limit)


async def advance(uow: UnitOfWork, projection: Projection, checkpoint: Row[Any], limit: int) -> int:
    """Apply the next events, at most `limit`, behind a checkpoint and move it; return how many were read.

    `checkpoint` is a row of `projection_checkpoints` that the unit of work has locked.
    """
    events = await read_after(uow, Cursor(checkpoint.transaction_id, checkpoint.position), limit)
    if events:
        applied = await projection.apply(uow, events, checkpoint.generation)
        cursor = events[-1].cursor
        moved = _ADVANCE.bindparams(name=projection.name, generation=checkpoint.generation, applied=applied)
        values = {"transaction_id": str(cursor.transaction_id), "position": cursor.position}
        await uow.execute(moved, [values])
    return len(events)
