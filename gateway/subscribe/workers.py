"""The worker processes of one host: each subscription has one owner, which executes it for all of them.

Each worker listens at a Unix socket in a folder that only this user may read; the sockets there are the
workers. The owner of a key is the worker with the greatest hash of key and name (rendezvous hashing), so
that all workers find the same one, and most keys keep theirs when a worker comes or goes.

Example: 4 workers, 1,000 clients of each subscribe to the same. One worker has a stream at the subgraph, and
executes each event once; the three others receive each response once, and pass it on to their clients.
"""

import asyncio
import os
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any

from gateway.core.clock import Clock
from gateway.core.streams import PartSink, StreamEnd, StreamPart, Subscribed
from gateway.subscribe.exchanges import TO_ASKER, TO_OWNER, Exchanges, RemoteReply, RemoteRequest, WorkerGone
from gateway.subscribe.worker_link import CLOSE, END, OPEN, PART, POST, STATUS, Link, Message

SCAN_SECONDS = 1.0  # how old the list of workers may be
LEAVING_SECONDS = 60.0  # for which a worker that ends owns nothing; its socket is gone long before
CONNECT_SECONDS = 2.0
NOT_FOUND = 404
Posted = Callable[[str, bytes], int]
"""Processes the post to a callback, by its id; returns the HTTP status."""
Opened = Callable[[dict[str, Any], PartSink], Subscribed]
"""Begins the stream that another worker asks for; it passes parts to the sink, and perhaps an end at once."""


class Forwarded:
    """A stream that this worker executes for another one; it implements `PartSink`."""

    __slots__ = ("link", "number", "subscribed")

    def __init__(self, link: Link, number: int) -> None:
        self.link = link
        self.number = number
        self.subscribed: Subscribed | None = None

    def part(self, part: StreamPart) -> None:
        self.link.send((PART, self.number, part.body, part.cursor))

    def ended(self, end: StreamEnd) -> None:
        self.link.send((END, self.number, list(end.errors), end.is_temporary))


class RemoteStream:
    """A stream that another worker executes for this one.

    `lost`: called if the connection to that worker is gone.
    """

    __slots__ = ("link", "lost", "number", "sink")

    def __init__(self, number: int, sink: PartSink, lost: Callable[[], object]) -> None:
        self.number = number
        self.sink: PartSink | None = sink
        self.lost = lost
        self.link: Link | None = None

    def cancel(self) -> None:
        """Tell the owner that the stream is no longer needed."""
        if self.sink is not None and self.link is not None:
            self.link.send((CLOSE, self.number))
        self.sink = None


class Workers:
    """This worker among the others. `folder`: that of the sockets; `name`: of this worker's.

    `leaving`: the workers that have said that they end, with the time until which they own nothing.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.name = f"{os.getpid()}.sock"
        self.opened: Opened | None = None
        self.posted: Posted | None = None
        self.exchanges = Exchanges()
        self.asked: dict[tuple[Link, int], asyncio.Future[int]] = {}
        self.names: list[str] = [self.name]
        self.scanned = 0.0
        self.leaving: dict[str, float] = {}
        self.is_closing = False
        self.server: asyncio.AbstractServer | None = None
        self.links: dict[str, asyncio.Task[Link]] = {}
        self.remote: dict[tuple[Link, int], RemoteStream] = {}
        self.forwarded: dict[Link, dict[int, Forwarded]] = {}
        self.numbers = count(1)
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self, opened: Opened, posted: Posted) -> None:
        """Listen for the other workers.

        `opened`: begins the streams that they ask for. `posted`: processes posts to callbacks of this worker.
        """
        self.opened, self.posted = opened, posted
        if self.server is not None:
            return
        path = self.folder / self.name
        path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self.server = await loop.create_unix_server(self._accepted, str(path))
        path.chmod(0o600)

    def leave(self) -> None:
        """Own nothing any more, as the process ends; its connections remain until `close`."""
        self.is_closing = True
        with suppress(OSError):
            (self.folder / self.name).unlink(missing_ok=True)

    async def close(self) -> None:
        """Stop to listen, and close all connections."""
        self.leave()
        for task in (*self.links.values(), *self.tasks):
            if task.done() and not task.cancelled() and task.exception() is None:
                found = task.result()
                if isinstance(found, Link):
                    found.close()
            task.cancel()
        self.exchanges.close()
        for link in list(self.forwarded):
            link.close()
        if self.server is not None:
            self.server.close()
            self.server = None

    # who owns a key

    def owner(self, key: Hashable) -> str | None:
        """Return the name of the worker that executes a key; None if it is this one.

        The `repr` of the key must be the same in all workers, so it has no sets.
        """
        now = self.clock.time()
        if now - self.scanned > SCAN_SECONDS:
            self.scanned = now
            with suppress(OSError):
                self.names = self._found(now)
        if len(self.names) == 1:
            return None
        text = repr(key).encode("utf-8", "surrogatepass")
        best = max(self.names, key=lambda name: blake2b(text, key=name.encode()[:64], digest_size=8).digest())
        return None if best == self.name else best

    def _found(self, now: float) -> list[str]:
        """Return the names of the workers, without those that end."""
        self.leaving = {name: until for name, until in self.leaving.items() if until > now}
        found = {one.name for one in self.folder.glob("*.sock")}
        return sorted({self.name, *(found - self.leaving.keys())})

    def left(self, name: str) -> None:
        """Let a worker that ends own nothing; its connection remains, since its streams still end over it."""
        if name != self.name:
            self.leaving[name] = self.clock.time() + LEAVING_SECONDS
            self.names = [one for one in self.names if one != name]

    def gone(self, name: str) -> None:
        """Forget a worker that can't be reached, with the socket that it has left."""
        self.names = [one for one in self.names if one != name]
        self.scanned = self.clock.time()
        with suppress(OSError):
            (self.folder / name).unlink()

    # streams of other workers

    def open(
        self, owner: str, asked: dict[str, Any], sink: PartSink, lost: Callable[[], object]
    ) -> RemoteStream:
        """Begin a stream at its owner. `asked`: what the owner needs to begin it."""
        stream = RemoteStream(next(self.numbers), sink, lost)
        task = asyncio.ensure_future(self._open(owner, asked, stream))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return stream

    async def _open(self, owner: str, asked: dict[str, Any], stream: RemoteStream) -> None:
        try:
            link = await asyncio.shield(self._link(owner))
        except (OSError, TimeoutError):
            self.links.pop(owner, None)
            self.gone(owner)
            if stream.sink is not None:
                stream.lost()
            return
        if stream.sink is None:
            return
        stream.link = link
        self.remote[link, stream.number] = stream
        link.send((OPEN, stream.number, asked))

    async def pass_on(self, owner: str, name: str, body: bytes) -> int:
        """Pass a post to a callback on to the worker that has the stream; return the HTTP status."""
        if owner not in self.names and not (self.folder / Path(owner).name).exists():
            return NOT_FOUND
        try:
            link = await asyncio.shield(self._link(Path(owner).name))
            number = next(self.numbers)
            waiting = self.asked[link, number] = asyncio.get_running_loop().create_future()
            link.send((POST, number, name, body))
            return await asyncio.wait_for(waiting, CONNECT_SECONDS)
        except (OSError, TimeoutError):
            return NOT_FOUND

    async def ask(self, owner: str, request: RemoteRequest) -> RemoteReply:
        """Pass a request on to the worker that has what it is about; return its reply. Raises WorkerGone."""
        name = Path(owner).name
        if not (self.folder / name).exists() or not name.endswith(".sock"):
            raise WorkerGone
        try:
            link = await asyncio.shield(self._link(name))
        except (OSError, TimeoutError) as error:
            self.links.pop(name, None)
            raise WorkerGone from error
        return await self.exchanges.ask(link, next(self.numbers), request)

    def _link(self, owner: str) -> "asyncio.Task[Link]":
        """Return the connection to a worker, which streams share."""
        known = self.links.get(owner)
        if known is None:
            known = self.links[owner] = asyncio.ensure_future(self._connect(owner))
        return known

    async def _connect(self, owner: str) -> Link:
        loop = asyncio.get_running_loop()
        make = partial(Link, self._received, partial(self._link_lost, owner))
        connecting = loop.create_unix_connection(make, str(self.folder / owner))
        _, link = await asyncio.wait_for(connecting, CONNECT_SECONDS)
        return link

    def _link_lost(self, owner: str, link: Link) -> None:
        """Begin the streams of a worker that is gone again, elsewhere."""
        self.links.pop(owner, None)
        self.gone(owner)
        self.exchanges.lost(link)
        mine = [key for key in self.remote if key[0] is link]
        for key in mine:
            stream = self.remote.pop(key)
            if stream.sink is not None:
                stream.lost()

    def _received(self, link: Link, message: Message) -> None:
        """Receive a message of an owner."""
        kind, number = message[0], message[1]
        if kind == STATUS:
            waiting = self.asked.pop((link, number), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message[2])
            return
        if kind in TO_ASKER:
            self.exchanges.received(link, message)
            return
        stream = self.remote.get((link, number))
        if stream is None:
            return
        sink = stream.sink
        if sink is None:
            del self.remote[link, number]
        elif kind == PART:
            sink.part(StreamPart(message[2], message[3]))
        elif kind == END:
            del self.remote[link, number]
            stream.sink = None
            sink.ended(StreamEnd(message[2], is_temporary=message[3]))

    # streams for other workers

    def _accepted(self) -> Link:
        return Link(self._asked, self._asker_lost)

    def _asked(self, link: Link, message: Message) -> None:
        """Receive a message of a worker for which this one owns a key."""
        streams = self.forwarded.setdefault(link, {})
        if message[0] in TO_OWNER and self.exchanges.requested(link, message):
            return
        kind, number = message[0], message[1]
        if kind == OPEN and self.opened is not None:
            forwarded = streams[number] = Forwarded(link, number)
            forwarded.subscribed = self.opened(message[2], forwarded)
        elif kind == CLOSE:
            _end(streams.pop(number, None))
        elif kind == POST and self.posted is not None:
            link.send((STATUS, number, self.posted(message[2], message[3])))

    def _asker_lost(self, link: Link) -> None:
        self.exchanges.lost(link)
        for forwarded in self.forwarded.pop(link, {}).values():
            _end(forwarded)


def _end(forwarded: Forwarded | None) -> None:
    if forwarded is not None and forwarded.subscribed is not None:
        forwarded.subscribed.cancel()
