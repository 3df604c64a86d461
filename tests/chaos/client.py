"""One client over Server-Sent Events that comes back after every interruption."""

import asyncio
import json
from collections import defaultdict
from contextlib import suppress

from gateway.wire.sse import SseReader

BODY = json.dumps({"query": "subscription { tick { id name } }"}).encode()
PAUSE = 0.1


class Client:
    """Receives the numbers of each key. `cursor`: the last one; None for a client that does not resume.

    - `seen`: the numbers by key, in the order in which they came. `gaps`: how often a gap was said.
    - `failed`: events whose entity could not be fetched.
    - `current`: the last number of each key in this connection, since the last gap that was said. `unsaid`:
      how often numbers were missing in it.
    """

    def __init__(self, port: int, *, resumes: bool) -> None:
        self.port = port
        self.resumes = resumes
        self.cursor: str | None = None
        self.seen: dict[str, list[int]] = defaultdict(list)
        self.gaps = self.failed = self.connections = self.unsaid = 0
        self.current: dict[str, int] = {}
        self.writer: asyncio.StreamWriter | None = None
        self.is_subscribed, self.has_cursor = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Receive for ever."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                await self._receive()
            await asyncio.sleep(PAUSE)

    def cut(self) -> None:
        """Break the connection."""
        if self.writer is not None:
            self.writer.transport.abort()

    async def _receive(self) -> None:
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            resume = f"last-event-id: {self.cursor}\r\n" if self.cursor and self.resumes else ""
            head = f"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n{resume}"
            head += "accept: text/event-stream\r\ncontent-type: application/json\r\n\r\n"
            self.writer.write(head.encode() + BODY)
            status = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in status.split(b"\r\n")[0]:
                return
            self.connections += 1
            self.current = {}
            events = SseReader(1_000_000)
            while True:
                size = int((await reader.readline()).strip() or b"0", 16)
                if not size:
                    return
                piece = await reader.readexactly(size)
                await reader.readexactly(2)
                self.is_subscribed.set()
                for event in events.feed(piece):
                    if event.name == b"next":
                        self._event(json.loads(event.data), event.id)
        finally:
            self.writer.transport.abort()

    def _event(self, body: dict[str, object], cursor: bytes | None) -> None:
        if cursor is not None:
            self.cursor = cursor.decode()
            self.has_cursor.set()
        extensions, data = body.get("extensions"), body.get("data")
        notice = extensions.get("subscription", {}) if isinstance(extensions, dict) else {}
        if "gap" in notice:
            self.gaps += 1
            self.current = {}
        self.failed += "errors" in body
        tick = data.get("tick") if isinstance(data, dict) else None
        if isinstance(tick, dict):
            key, _, number = str(tick["id"]).partition("-")
            self.seen[key].append(int(number))
            if key in self.current and int(number) != self.current[key] + 1:
                self.unsaid += 1
            self.current[key] = int(number)
