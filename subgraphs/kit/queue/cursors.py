"""The position of a reader in a stream: the id of the last entry that it has read.

A reader stores its positions in its own database, in the transaction that applies the entries. Why not
Valkey's consumer groups: a group delivers an entry to any waiting process, also to one that has just lost its
lease. The next owner of the partition would then apply later events first. The transaction that writes a
position also checks the lease's token, so no process reads past an entry that was not committed, no
acknowledgement is needed, and positions survive the loss of the queue's data.

Example: the consumer `matching` has the position `1700000000000-4` in `events:users:3`. It reads the entries
with higher ids, applies them, and writes the id of the last one in the same transaction.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from sqlalchemy import Column, MetaData, Table, Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from subgraphs.kit.database import Database, Session
from subgraphs.kit.queue.streams import newest_id, numeric_id
from subgraphs.kit.unit_of_work import UnitOfWork

inbox_cursors = Table(
    "inbox_cursors",
    MetaData(),
    Column("consumer", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("last_id", Text),
)
START = "0"
_STREAMS = bindparam("streams", type_=ARRAY(Text))
_columns = inbox_cursors.c
_OWN = (_columns.consumer == bindparam("consumer")) & (_columns.stream == any_(_STREAMS))
_LOAD = select(_columns.stream, _columns.last_id).where(_OWN)
_LOCK = _LOAD.order_by(_columns.stream).with_for_update()
_moved = insert(inbox_cursors).from_select(
    ["consumer", "stream", "last_id"],
    select(
        bindparam("consumer", type_=Text),
        func.unnest(_STREAMS),
        func.unnest(bindparam("ids", type_=ARRAY(Text))),
    ),
)
_SAVE = _moved.on_conflict_do_update(
    index_elements=["consumer", "stream"], set_={"last_id": _moved.excluded.last_id}
)
_BEGIN = _moved.on_conflict_do_nothing()


class StreamEntry(NamedTuple):
    """An entry of a Valkey stream: the stream's name, the entry's id ("1700000000000-4") and its fields."""

    stream: str
    id: str
    fields: Mapping[bytes, bytes]


async def load_positions(session: Session, consumer: str, streams: Sequence[str]) -> dict[str, str]:
    """Return the id of the last entry that a consumer has read in each stream, by stream.

    The id is START for a stream of which the consumer has read nothing.
    """
    rows = await session.fetch_all(_LOAD, consumer=consumer, streams=list(streams))
    return dict.fromkeys(streams, START) | {row.stream: row.last_id for row in rows}


async def save_positions(uow: UnitOfWork, consumer: str, positions: Mapping[str, str]) -> None:
    """Store the ids of the last entries that a consumer has read, by stream."""
    await (await uow.connection()).execute(
        _SAVE, {"consumer": consumer, "streams": list(positions), "ids": list(positions.values())}
    )


async def valid_positions(redis: Redis, positions: Mapping[str, str]) -> dict[str, str]:
    """Return the positions, with START for each stream whose newest entry is older than the position.

    The server has lost such a stream (a restart without its data), so all of its present entries are new.
    """
    return {
        stream: START if numeric_id(position) > await newest_id(redis, stream) else position
        for stream, position in positions.items()
    }


async def read_entries(
    redis: Redis, positions: Mapping[str, str], count: int, block_ms: int | None = None
) -> list[StreamEntry]:
    """Return the entries after the positions, at most `count` per stream.

    Without new entries wait for the first, `block_ms` milliseconds at most (None: do not wait).
    """
    streams: dict[Any, Any] = dict(positions)
    found: Any = await redis.xread(streams, count=count, block=block_ms)
    return [
        StreamEntry(stream.decode(), entry_id.decode(), fields)
        for stream, entries in found or []
        for entry_id, fields in entries
    ]


class SharedReader:
    """Reads streams for several processes that share one stored position per stream.

    `reader` is the name under which the positions are stored. A process locks their rows while it handles
    entries, so one process handles each entry.
    """

    def __init__(self, database: Database, redis: Redis, reader: str, streams: Sequence[str]) -> None:
        self._database = database
        self._redis = redis
        self._reader = reader
        self._streams = sorted(streams)
        self._positions: dict[str, str] = {}

    async def open(self) -> None:
        """Load the positions; reset the position to START in each stream that the server has lost."""
        async with UnitOfWork(self._database) as uow:
            await (await uow.connection()).execute(_BEGIN, self._values(dict.fromkeys(self._streams, START)))
            locked = {row.stream: row.last_id for row in await uow.fetch_all(_LOCK, **self._names())}
            self._positions = await valid_positions(self._redis, locked)
            await save_positions(uow, self._reader, self._positions)

    async def wait_for_entries(self, seconds: float) -> bool:
        """Wait at most `seconds` for a new entry; return whether there is one."""
        return bool(await read_entries(self._redis, self._positions, 1, int(seconds * 1000)))

    async def handle_new(
        self, handle: Callable[[UnitOfWork, Sequence[StreamEntry]], Awaitable[None]], count: int
    ) -> int:
        """Call `handle` with the new entries, at most `count` per stream; return their number.

        `handle` writes with the unit of work that it receives; the new positions are committed with it.
        """
        async with UnitOfWork(self._database) as uow:
            positions = {row.stream: row.last_id for row in await uow.fetch_all(_LOCK, **self._names())}
            entries = await read_entries(self._redis, positions, count)
            if entries:
                await handle(uow, entries)
                positions |= {entry.stream: entry.id for entry in entries}
                await save_positions(uow, self._reader, positions)
        self._positions = positions
        return len(entries)

    def _names(self) -> dict[str, Any]:
        return {"consumer": self._reader, "streams": self._streams}

    def _values(self, positions: Mapping[str, str]) -> dict[str, Any]:
        return {"consumer": self._reader, "streams": list(positions), "ids": list(positions.values())}
