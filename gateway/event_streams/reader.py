"""Reads Redis streams over one connection, from where they end at the start, and on after each failure.

A stream whose data was lost (the server was emptied) has a smaller last id than the one that was read: then
it is read from its beginning, and `lost` is called.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from gateway.cache.redis_nodes import Nodes
from gateway.cache.resp import Reason, RedisError, RedisFailure
from gateway.core.clock import Clock
from gateway.event_streams.cursors import START, Position, read_id, write_id
from gateway.observe.facts import RedisFailed, RedisReturned
from gateway.observe.observer import Observer

PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)  # seconds before each further attempt to reach Redis
GATHER = 0.003  # seconds in which entries gather after a read, since each read costs as much as many entries
Rows = list[tuple[Position, Sequence[bytes]]]
OnEntry = Callable[[bytes, Position, Sequence[bytes]], object]
"""Receives the name of a stream, the id of an entry, and its fields: names and values in turn."""


class StreamReader:
    """The reader of some streams. `positions`: the last id that was read of each; {} until they are known.

    `on_entry`: receives the entries. `on_ready`: called when the positions are known. `lost`: called when
    entries were lost, with the reason.
    """

    def __init__(
        self,
        nodes: Nodes,
        streams: Sequence[bytes],
        block: float,
        page: int,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self.nodes = nodes
        self.streams = tuple(streams)
        self.block = block
        self.page = page
        self.observer = observer
        self.clock = clock
        self.positions: dict[bytes, Position] = {}
        self.on_entry: OnEntry = lambda *_: None
        self.on_ready: Callable[[], object] = lambda: None
        self.lost: Callable[[str], object] = lambda _: None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read, in a task."""
        if self.task is None:
            self.task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Stop to read, and close all connections.

        A cancellation can get lost where a timeout ends at the same moment, so it is repeated.
        """
        while self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task], timeout=0.5)
        self.task = None
        await self.nodes.close()

    async def _run(self) -> None:
        attempt = 0
        while True:
            reader = self.nodes.blocking_reader(self.streams[0], self.block)
            try:
                await self._connect()
                if attempt:
                    self.observer.emit(RedisReturned())
                attempt = 0
                while True:
                    asked = {name: write_id(position) for name, position in self.positions.items()}
                    found = await reader.read(asked, self.page)
                    self._receive(found)
                    if found:
                        await self.clock.sleep(GATHER)
            except Exception as error:  # reading must go on, whatever happens
                if isinstance(error, RedisFailure) and error.reason is Reason.PROTOCOL:
                    self.page = max(self.page // 8, 1)
                if not attempt:
                    self.observer.emit(RedisFailed(f"event streams: {type(error).__name__}: {error}"))
            finally:
                await reader.close()
            await self.clock.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1

    def _receive(self, found: dict[bytes, list[tuple[bytes, list[bytes]]]]) -> None:
        for stream, rows in found.items():
            for name, fields in rows:
                position = read_id(name)
                self.positions[stream] = position
                self.on_entry(stream, position, fields)

    async def _connect(self) -> None:
        """Find where the streams end; after the first time, whether they have lost what was read."""
        ends = [await self.last_id(stream) for stream in self.streams]
        if not self.positions:
            self.positions = dict(zip(self.streams, ends, strict=True))
            self.on_ready()
            return
        emptied = [name for name, end in zip(self.streams, ends, strict=True) if end < self.positions[name]]
        if emptied:
            self.positions.update(dict.fromkeys(emptied, START))
            self.lost("the server of the events has lost its data")

    async def ask(self, *command: bytes) -> Any:
        """Return the reply to a command. Raises RedisFailure, or RedisError for an error reply."""
        (reply,) = await self.nodes.request(command[1] if len(command) > 1 else b"", [command])
        if isinstance(reply, RedisError):
            raise reply
        return reply

    async def last_id(self, stream: bytes) -> Position:
        """Return the greatest id that a stream ever had; START if it does not exist."""
        found = (await self._info(stream)).get(b"last-generated-id")
        return START if found is None else read_id(found)

    async def has_lost(self, stream: bytes, after: Position) -> bool:
        """Return whether entries after an id may have been deleted, such as by the stream's limit of length.

        Redis does not tell the last entry that a limit has deleted. If entries were deleted, and the one with
        this id is gone, too, later ones may be among them.
        """
        info = await self._info(stream)
        if not info or info.get(b"entries-added") == info.get(b"length"):
            return False
        first = info.get(b"first-entry")
        if read_id(info.get(b"max-deleted-entry-id", b"0-0")) > after:
            return True
        begin = read_id(first[0]) if first else read_id(info[b"last-generated-id"])
        return begin > after

    async def _info(self, stream: bytes) -> dict[bytes, Any]:
        try:
            pairs = await self.ask(b"XINFO", b"STREAM", stream)
        except RedisError as error:
            if "no such key" in str(error).lower():
                return {}
            raise
        return dict(zip(pairs[::2], pairs[1::2], strict=True))

    async def range(self, stream: bytes, after: Position, until: Position, count: int) -> Rows:
        """Return the next entries of a stream after one id, up to another one."""
        rows = await self.ask(
            b"XRANGE", stream, b"(" + write_id(after), write_id(until), b"COUNT", b"%d" % count
        )
        return [(read_id(name), fields) for name, fields in rows]
