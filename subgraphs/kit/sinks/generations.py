"""The generations of a sink's target: which exist is said in the service's own database, what is in them only
the target knows.

A generation is first `building`, then `serving`, and at last `retired`. Events are written to all that exist,
so that none misses an event while another takes its place. What the table says is done in the target
afterwards (`settle`), as often as it takes: a process that dies in between leaves a target in which the old
generation still serves and still gets every event.
"""

from collections.abc import Sequence

from sqlalchemy import text

from subgraphs.kit.database import Session
from subgraphs.kit.sinks.target import SinkTarget
from subgraphs.kit.unit_of_work import UnitOfWork

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('sink ' || :sink, 0))")
_SERVING = text("SELECT generation FROM sink_generations WHERE sink = :sink AND state = 'serving'")
# FOR UPDATE: whoever writes to a retired one has ended before it goes
_RETIRED = text(
    "SELECT generation FROM sink_generations WHERE sink = :sink AND state = 'retired'"
    " ORDER BY generation FOR UPDATE"
)
# FOR SHARE: none is added, shown or removed between this and the commit of what was written to them
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
    """The generation that readers see; None before the first is made."""
    found: int | None = await session.fetch_value(_SERVING, sink=sink)
    return found


async def existing(uow: UnitOfWork, sink: str) -> Sequence[int]:
    """All generations, none of which goes before the unit of work has ended."""
    return [row.generation for row in await uow.fetch_all(_ALL, sink=sink)]


async def begin(uow: UnitOfWork, sink: str, target: SinkTarget) -> int:
    """Add a generation that is to be filled, in place of any that an earlier attempt has left; answer its
    number."""
    await uow.execute(_ALONE.bindparams(sink=sink))
    await uow.execute(_RETIRE.bindparams(sink=sink, state="building"))
    generation = int(await uow.fetch_value(_HIGHEST, sink=sink)) + 1
    await target.prepare(generation)
    await uow.execute(_ADD.bindparams(sink=sink, generation=generation, state="building"))
    return generation


async def replace(uow: UnitOfWork, sink: str, generation: int) -> None:
    """Have a generation serve in place of the one that does; `settle` then shows it to readers."""
    await uow.execute(_ALONE.bindparams(sink=sink))
    await uow.execute(_RETIRE.bindparams(sink=sink, state="serving"))
    await uow.execute(_SERVE.bindparams(sink=sink, generation=generation))


async def settle(uow: UnitOfWork, sink: str, target: SinkTarget) -> None:
    """Make the target what the table says: the first generation there, the serving one shown, retired ones
    gone."""
    await uow.execute(_ALONE.bindparams(sink=sink))
    current = await serving(uow, sink)
    if current is None:
        current = int(await uow.fetch_value(_HIGHEST, sink=sink)) + 1
        await uow.execute(_ADD.bindparams(sink=sink, generation=current, state="serving"))
    await target.prepare(current)
    await target.serve(current)
    for row in await uow.fetch_all(_RETIRED, sink=sink):
        await target.discard(row.generation)
        await uow.execute(_REMOVE.bindparams(sink=sink, generation=row.generation))
