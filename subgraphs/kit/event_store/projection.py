"""Projections: tables that follow from the events, with the place up to which they do in the same
transaction.

So each event has its effect once, wherever a process dies. Tables belong to a generation: while one serves,
`rebuild` fills the next, and a view under the table's plain name shows the one that serves.
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
"""Applies one event to the tables of a generation, in the unit of work that it is given and nowhere else."""

BATCH = 500
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_CREATE = text(
    "INSERT INTO projection_checkpoints (name, generation, serving, revision) "
    "VALUES (:name, :generation, :serving, :revision) "
    "ON CONFLICT DO NOTHING"
)
_EXISTS = text("SELECT 1 FROM projection_checkpoints WHERE name = :name AND serving")
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('create ' || :name, 0))")
_TAKE = (
    "SELECT * FROM projection_checkpoints WHERE name = :name AND revision = :revision AND {which} FOR UPDATE"
)
_TAKE_SERVING = text(_TAKE.format(which="serving") + " SKIP LOCKED")
_TAKE_GENERATION = text(_TAKE.format(which="generation = :generation"))
_ADVANCE = text(
    """
UPDATE projection_checkpoints SET transaction_id = cast(cast(:transaction_id AS text) AS xid8), position = :position,
    updated_at = clock_timestamp(), events_applied = events_applied + :applied
WHERE name = :name AND generation = :generation
"""
)


class Projection(ABC):
    """Tables, how to make them, and what each type of event does to them.

    Events without a handler are passed over.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]
    """The plain names of the tables (lower case, at most 41 characters): what queries ask."""
    revision: ClassVar[int] = 1
    """Raise it with every change of handlers or tables, and `rebuild`.

    Processes of another revision leave the tables alone.
    """
    upcasters: ClassVar[Upcasters] = Upcasters()

    @property
    @abstractmethod
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by event type; they get events in their newest shape."""

    @abstractmethod
    async def prepare(self, uow: UnitOfWork, generation: int) -> None:
        """Create the empty tables of a generation, each under its name from `table`."""

    async def apply(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> int:
        """Apply events, which are in the global order, to the tables of a generation.

        Answer how many had a handler.
        """
        handlers, applied = self.handlers, 0
        for event in events:
            handler = handlers.get(event.event_type)
            if handler is not None:
                await handler(uow, self.upcasters.upcast(event), generation)
                applied += 1
        return applied

    def table(self, plain: str, generation: int) -> str:
        """The name of a table in a generation."""
        return f"{plain}_g{generation}"

    async def discard(self, uow: UnitOfWork, generation: int) -> None:
        """Drop the tables of a generation that serves no more."""
        for plain in self.tables:
            await uow.execute(text(f"DROP TABLE IF EXISTS {self.table(checked(plain), generation)}"))

    def shown(self, plain: str, generation: int) -> str:
        """What the plain name stands for, as a SELECT; override it to keep rows back."""
        return f"SELECT * FROM {self.table(checked(plain), generation)}"  # noqa: S608 - a checked name

    async def show(self, uow: UnitOfWork, generation: int) -> None:
        """Let the plain names stand for the tables of a generation, from the commit on.

        Views on them have to be made anew.
        """
        for plain in self.tables:
            await uow.execute(text(f"DROP VIEW IF EXISTS {checked(plain)}"))
            await uow.execute(text(f"CREATE VIEW {plain} AS {self.shown(plain, generation)}"))


def _own(projection: Projection) -> dict[str, Any]:
    return {"name": projection.name, "revision": projection.revision}


def checked(plain: str) -> str:
    """The name of a table. Raises ValueError where it could be anything else in a statement."""
    if not _NAME.fullmatch(plain):
        raise ValueError(plain)
    return plain


async def create(
    uow: UnitOfWork, projection: Projection, generation: int = 1, *, serving: bool = True
) -> None:
    """Make a projection's tables and checkpoint, if it has none; of several processes that try, one does."""
    made = _CREATE.bindparams(generation=generation, serving=serving, **_own(projection))
    if await uow.execute(made) == 1:
        await projection.prepare(uow, generation)
        if serving:
            await projection.show(uow, generation)


async def apply_next(uow: UnitOfWork, projection: Projection, limit: int = BATCH) -> int | None:
    """Apply the next events to the tables that serve, with the checkpoint, as one transaction.

    Answer how many were read.

    0: nothing is left. None: another process is at it, or the tables are of another revision and wait for
    their rebuild. Raises what a handler raises; the unit of work has to fail with it.
    """
    checkpoint = await uow.fetch_one(_TAKE_SERVING, **_own(projection))
    if checkpoint is None and await uow.fetch_value(_EXISTS, name=projection.name) is None:
        if not await uow.fetch_value(_ALONE, name=projection.name):
            return None
        await create(uow, projection)
        checkpoint = await uow.fetch_one(_TAKE_SERVING, **_own(projection))
    return await advance(uow, projection, checkpoint, limit) if checkpoint is not None else None


async def apply_to(uow: UnitOfWork, projection: Projection, generation: int, limit: int = BATCH) -> int:
    """Like `apply_next`, for one generation, waiting for others that are at it.

    Raises LookupError if there is none.
    """
    checkpoint = await uow.fetch_one(_TAKE_GENERATION, generation=generation, **_own(projection))
    if checkpoint is None:
        raise LookupError(f"{projection.name} has no generation {generation}")
    return await advance(uow, projection, checkpoint, limit)


async def advance(uow: UnitOfWork, projection: Projection, checkpoint: Row[Any], limit: int) -> int:
    """Apply the events behind a checkpoint that is locked, and move it; answer how many were read."""
    events = await read_after(uow, Cursor(checkpoint.transaction_id, checkpoint.position), limit)
    if events:
        applied = await projection.apply(uow, events, checkpoint.generation)
        cursor = events[-1].cursor
        moved = _ADVANCE.bindparams(name=projection.name, generation=checkpoint.generation, applied=applied)
        place = {"transaction_id": str(cursor.transaction_id), "position": cursor.position}
        await uow.execute(moved, [place])
    return len(events)
