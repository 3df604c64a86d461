"""Rebuilds a projection: computes its tables again from the first event, while the old tables serve queries.

A rebuild is needed after a change of the projection's code (its `revision`).
"""

from collections.abc import Callable

from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection import BATCH, Projection, apply_to, create
from subgraphs.kit.rebuilds import exclusive
from subgraphs.kit.unit_of_work import UnitOfWork

_GENERATIONS = text(
    "SELECT generation, serving, revision FROM projection_checkpoints WHERE name = :name ORDER BY generation"
)
_LOCK_SERVING = text(
    "SELECT generation FROM projection_checkpoints WHERE name = :name AND serving FOR UPDATE"
)
_DELETE_CHECKPOINT = text(
    "DELETE FROM projection_checkpoints WHERE name = :name AND generation = :generation"
)
_SERVE = text(
    "UPDATE projection_checkpoints SET serving = true WHERE name = :name AND generation = :generation"
)


async def rebuild(
    database: Database,
    projection: Projection,
    *,
    resume: bool = False,
    batch: int = BATCH,
    begun: Callable[[int], object] | None = None,
) -> int:
    """Apply all events to a new generation of tables, make it serve, and drop the old one; return its number.

    Events are applied in transactions of `batch` events. The last transaction locks the old generation,
    applies the remaining events to the new one and makes it serve, so no query sees an older state than
    before. An interrupted rebuild leaves its tables. The next rebuild continues to fill them if `resume` is
    True and code of the same `revision` has created them; otherwise it drops them. `begun` is called with the
    new generation's number when its tables exist. Raises RebuildRunning if another process rebuilds the
    projection.
    """
    async with exclusive(database, projection.name):
        generation = await _begin(database, projection, resume=resume)
        if begun is not None:
            begun(generation)
        while await _step(database, projection, generation, batch):
            pass
        async with UnitOfWork(database) as uow:
            old = await uow.fetch_value(_LOCK_SERVING, name=projection.name)
            while await apply_to(uow, projection, generation, batch):
                pass
            await projection.show(uow, generation)
            await _drop(uow, projection, old)
            await uow.execute(_SERVE.bindparams(name=projection.name, generation=generation))
    return generation


async def _begin(database: Database, projection: Projection, *, resume: bool) -> int:
    """Return the generation to fill: with `resume` that of an interrupted rebuild, otherwise a new one."""
    async with UnitOfWork(database) as uow:
        await create(uow, projection)
        rows = await uow.fetch_all(_GENERATIONS, name=projection.name)
        left = [row for row in rows if not row.serving]
        if resume and left and left[-1].revision == projection.revision:
            return int(left[-1].generation)
        for row in left:
            await _drop(uow, projection, row.generation)
        generation = int(rows[-1].generation) + 1
        await create(uow, projection, generation, serving=False)
        return generation


async def _step(database: Database, projection: Projection, generation: int, batch: int) -> int:
    async with UnitOfWork(database) as uow:
        return await apply_to(uow, projection, generation, batch)


async def _drop(uow: UnitOfWork, projection: Projection, generation: int) -> None:
    await uow.execute(_DELETE_CHECKPOINT.bindparams(name=projection.name, generation=generation))
    await projection.discard(uow, generation)
