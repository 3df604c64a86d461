"""Passes on what a client has missed: the entries of several streams after a cursor, in the order of their
ids.
"""

import heapq
from collections.abc import AsyncIterator, Mapping, Sequence

from gateway.event_streams.cursors import START, Position
from gateway.event_streams.reader import StreamReader

PAGE = 200  # entries of a stream that are read at once


class History:
    """The entries of streams between two positions of each.

    `at`: how far each stream was passed on. `until`: where each one ends.
    """

    def __init__(
        self, reader: StreamReader, after: Mapping[bytes, Position], until: Mapping[bytes, Position]
    ) -> None:
        self.reader = reader
        self.at = dict(after)
        self.until = until

    async def gap(self) -> str | None:
        """Return why entries after the positions are missing; None if none is."""
        for stream, after in self.at.items():
            if await self.reader.has_lost(stream, after):
                return "events after the cursor may have been deleted, as they were too old"
            if await self.reader.last_id(stream) < after:
                self.at[stream] = START
                return "the server of the events has lost its data"
        return None

    async def entries(self) -> AsyncIterator[tuple[bytes, Position, Sequence[bytes]]]:
        """Yield the stream, the id and the fields of each entry; `at` is then the position after it."""
        heap: list[tuple[Position, bytes, Sequence[bytes]]] = []
        left: dict[bytes, int] = {}
        for stream in self.at:
            await self._read(stream, self.at[stream], heap, left)
        while heap:
            position, stream, fields = heapq.heappop(heap)
            self.at[stream] = position
            yield stream, position, fields
            left[stream] -= 1
            if not left[stream]:
                await self._read(stream, position, heap, left)

    async def _read(
        self,
        stream: bytes,
        after: Position,
        heap: list[tuple[Position, bytes, Sequence[bytes]]],
        left: dict[bytes, int],
    ) -> None:
        """Read the next entries of a stream into the heap. `left`: how many of each stream are in it."""
        until = self.until[stream]
        rows = await self.reader.range(stream, after, until, PAGE) if after < until else []
        left[stream] = len(rows)
        for position, fields in rows:
            heapq.heappush(heap, (position, stream, fields))
