"""The generations of a sink's target, each a full copy of its documents; one of them serves readers.

The table `sink_generations` of the service's database has their states: a generation is first `building`,
then `serving`, at last `retired`. The consumer writes events to all generations that exist, so that a new one
misses no event before it serves. A change is first written to the table; `settle` then changes the target
accordingly, and is repeated until it succeeds. If a process is killed between the two, the old generation
still serves and still gets every event.
"""

from collections.abc import Sequence

from sqlalchemy import text

from subgraphs.kit.database import Session
from subgraphs.kit.sinks.target import SinkTarget
from subgraphs.kit.unit_of_work import UnitOfWork

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('sink ' || :sink, 0))")
_SERVING = text("SELECT generation FROM sink_generations WHERE sink = :sink AND state = 'serving'")
# FOR UPDATE: waits until transactions that write to the retired generations have ended
_RETIRED = text(
    "SELECT generation FROM sink_generations WHERE sink = :sink AND state = 'retired'"
    " ORDER BY generation FOR UPDATE"
)
# FOR SHARE: no generation changes its state or is removed before the transaction that writes to it has ended
_ALL = text("SELECT generation FROM sink_generations WHERE sink = :sink ORDER BY generation FOR SHARE")
_HIGHEST = text("SELECT coalesce(max(generation), 0) FROM sink_generations WHERE sink = :sink")
_ADD = text("INSERT INTO sink_generations (sink, generation, state) VALUES (:sink, :generation, :state)")
_RETIRE = text(
    "UPDATE sink_generations SET state = 'retired', since = now() WHERE sink = :sink AND state = :state"
)
_SERVE = text(
    "UPDATE sink_generations SET state = 'serving', since = now()"
    " WHERE sink = :sink AND generation = :generation"
)
_REMOVE = text("DELETE FROM sink_generations WHERE sink = :sink AND generation = :generation")


async def serving(session: Session, sink: str) -> int | None:
    """Return the number of the generation that serves readers; None before the first one exists."""
    generation: int | None = await session.fetch_value(_SERVING, sink=sink)
    return generation


async def existing(uow: UnitOfWork, sink: str) -> Sequence[int]:
    """Return the numbers of all generations, and lock their rows until the unit of work ends."""
    return [row.generation for row in await uow.fetch_all(_ALL, sink=sink)]


async def begin(uow: UnitOfWork, sink: str, target: SinkTarget) -> int:
    """Create a generation in state `building` and return its number.

    A generation that an interrupted rebuild has left in this state is retired.
    """
    await uow.execute(_LOCK.bindparams(sink=sink))
    await uow.execute(_RETIRE.bindparams(sink=sink, state="building"))
    generation = int(await uow.fetch_value(_HIGHEST, sink=sink)) + 1
    await target.prepare(generation)
    await uow.execute(_ADD.bindparams(sink=sink, generation=generation, state="building"))
    return generation


async def replace(uow: UnitOfWork, sink: str, generation: int) -> None:
    """Mark a generation as `serving`, and the one that serves now as `retired`, in the table.

    Call `settle` afterwards, which changes the target accordingly.
    """
    await uow.execute(_LOCK.bindparams(sink=sink))
    await uow.execute(_RETIRE.bindparams(sink=sink, state="serving"))
    await uow.execute(_SERVE.bindparams(sink=sink, generation=generation))


async def settle(uow: UnitOfWork, sink: str, target: SinkTarget) -> None:
    """Change the target as the table of generations demands.

    Create the first generation if none serves, make the one with state `serving` visible to readers, and
    delete those with state `retired`. It may be repeated at any time.
    """
    await uow.execute(_LOCK.bindparams(sink=sink))
    current = await serving(uow, sink)
    if current is None:
        current = int(await uow.fetch_value(_HIGHEST, sink=sink)) + 1
        await uow.execute(_ADD.bindparams(sink=sink, generation=current, state="serving"))
    await target.prepare(current)
    await target.serve(current)
    for row in await uow.fetch_all(_RETIRED, sink=sink):
        await target.discard(row.generation)
        await uow.execute(_REMOVE.bindparams(sink=sink, generation=row.generation))
