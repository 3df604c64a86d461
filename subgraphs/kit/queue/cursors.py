"""How far a reader has come in a stream, kept in the reader's own database and moved in the transaction of
what was read.

Why not Valkey's consumer groups: a group hands an entry to whichever process happens to wait, also to one
that has just lost its lease, and the next owner of the partition then reads past it: out of order. A cursor
in the database belongs to the transaction that the lease's token guards, so nobody reads past what was not
committed, there is nothing to acknowledge, and no group dies with the queue's data.
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
_MINE = (_columns.consumer == bindparam("consumer")) & (_columns.stream == any_(_STREAMS))
_LOAD = select(_columns.stream, _columns.last_id).where(_MINE)
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
    """An entry of a stream."""

    stream: str
    id: str
    fields: Mapping[bytes, bytes]


async def load_positions(session: Session, consumer: str, streams: Sequence[str]) -> dict[str, str]:
    """How far a consumer has come in each of these streams."""
    rows = await session.fetch_all(_LOAD, consumer=consumer, streams=list(streams))
    return dict.fromkeys(streams, START) | {row.stream: row.last_id for row in rows}


async def save_positions(uow: UnitOfWork, consumer: str, places: Mapping[str, str]) -> None:
    """Remember how far a consumer has come."""
    await (await uow.connection()).execute(
        _SAVE, {"consumer": consumer, "streams": list(places), "ids": list(places.values())}
    )


async def valid_positions(redis: Redis, places: Mapping[str, str]) -> dict[str, str]:
    """The places, but the beginning where a stream has not come so far.

    Then the server has lost it, and what is in it is new.
    """
    return {
        stream: START if numeric_id(place) > await newest_id(redis, stream) else place
        for stream, place in places.items()
    }


async def read_entries(
    redis: Redis, places: Mapping[str, str], count: int, block_ms: int | None = None
) -> list[StreamEntry]:
    """What follows these places, at most `count` entries a stream.

    Wait for it so long when there is nothing yet.
    """
    wanted: dict[Any, Any] = dict(places)
    found: Any = await redis.xread(wanted, count=count, block=block_ms)
    return [
        StreamEntry(stream.decode(), entry_id.decode(), fields)
        for stream, entries in found or []
        for entry_id, fields in entries
    ]


class SharedReader:
    """Reads streams as one reader, however many processes run it.

    They take turns by the rows of the cursors.
    """

    def __init__(self, database: Database, redis: Redis, reader: str, streams: Sequence[str]) -> None:
        self._database = database
        self._redis = redis
        self._reader = reader
        self._streams = sorted(streams)
        self._positions: dict[str, str] = {}

    async def open(self) -> None:
        """Find the cursors, and begin anew where the server has lost a stream."""
        async with UnitOfWork(self._database) as uow:
            await (await uow.connection()).execute(_BEGIN, self._values(dict.fromkeys(self._streams, START)))
            locked = {row.stream: row.last_id for row in await uow.fetch_all(_LOCK, **self._names())}
            self._positions = await valid_positions(self._redis, locked)
            await save_positions(uow, self._reader, self._positions)

    async def wait_for_entries(self, seconds: float) -> bool:
        """Whether there is something new, looked for so long."""
        return bool(await read_entries(self._redis, self._positions, 1, int(seconds * 1000)))

    async def handle_new(
        self, handle: Callable[[UnitOfWork, Sequence[StreamEntry]], Awaitable[None]], count: int
    ) -> int:
        """Handle what is new in one transaction with the cursors; answer how much it was."""
        async with UnitOfWork(self._database) as uow:
            places = {row.stream: row.last_id for row in await uow.fetch_all(_LOCK, **self._names())}
            entries = await read_entries(self._redis, places, count)
            if entries:
                await handle(uow, entries)
                places |= {entry.stream: entry.id for entry in entries}
                await save_positions(uow, self._reader, places)
        self._positions = places
        return len(entries)

    def _names(self) -> dict[str, Any]:
        return {"consumer": self._reader, "streams": self._streams}

    def _values(self, places: Mapping[str, str]) -> dict[str, Any]:
        return {"consumer": self._reader, "streams": list(places), "ids": list(places.values())}
