"""Many WebSocket clients in one process: `python -m bench.subscribers PORT COUNT FIRST TOPICS`.

Each client subscribes by graphql-transport-ws to one of TOPICS topics; FIRST is the number of the first one.
Commands come as lines on standard input, replies are lines of JSON on standard output: `ready`, then for
`expect N` the times in seconds at which each client had its N-th message, in ascending order, and how many
subscriptions have ended.
"""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import uvloop

from gateway.wire.frames import TEXT, FrameReader, frame
from gateway.wire.handshake import upgrade_request

QUERY = "subscription($topic: Int) { tick(topic: $topic) { id name } }"
AT_ONCE = 400  # connections that are opened at the same time
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\0\0\0\0"
BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT of Linux
ENDS = (b'"complete"', b'"error"')
PATIENCE = 120.0  # seconds for the messages of one command


class Subscriber(asyncio.Protocol):
    """One client. `count`: its messages so far. `got`: called for each. `ended`: how often its subscription
    or connection has ended.
    """

    __slots__ = ("count", "ended", "got", "hello", "opened", "reader", "topic", "transport")

    def __init__(
        self, hello: bytes, topic: int, opened: Callable[[], None], got: Callable[[int], None]
    ) -> None:
        self.hello = hello
        self.topic = topic
        self.opened: Callable[[], None] | None = opened
        self.got = got
        self.count = self.ended = 0
        self.reader: FrameReader | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.hello)

    def data_received(self, data: bytes) -> None:
        """Subscribe after the handshake; then count messages."""
        if self.reader is None:
            _, _, rest = data.partition(b"\r\n\r\n")
            self.reader = FrameReader(1_000_000, client=True)
            payload = {"query": QUERY, "variables": {"topic": self.topic}}
            subscribe = json.dumps({"type": "subscribe", "id": "1", "payload": payload}).encode()
            init = frame(TEXT, b'{"type":"connection_init"}', mask=MASK)
            self.transport.write(init)
            self.topic_frame(subscribe)
            data = rest
        for kind, payload_bytes in self.reader.feed(data):
            if kind == TEXT and b'"connection_ack"' in payload_bytes:
                self.transport.write(self.hello)
                self.hello = b""
                opened, self.opened = self.opened, None
                if opened is not None:
                    opened()
            elif kind == TEXT and b'"next"' in payload_bytes:
                self.count += 1
                self.got(self.count)
            elif kind == TEXT and any(word in payload_bytes for word in ENDS):
                self.ended += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the end of the connection."""
        self.ended += 1

    def topic_frame(self, subscribe: bytes) -> None:
        """Store the frame that subscribes, until the acknowledgement."""
        self.hello = frame(TEXT, subscribe, mask=MASK)


class Crowd:
    """All clients of this process. `times`: when each had the message that is expected."""

    def __init__(self) -> None:
        self.clients: list[Subscriber] = []
        self.expected = 0
        self.times: list[float] = []
        self.complete = asyncio.Event()

    def got(self, count: int) -> None:
        """Record a message."""
        if count == self.expected:
            self.times.append(time.time())
            if len(self.times) == len(self.clients):
                self.complete.set()

    async def open(self, port: int, count: int, first: int, topics: int) -> None:
        """Open all connections, from a loopback address of this process's own: each has 28,000 ports."""
        address = f"127.0.{1 + os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"
        loop = asyncio.get_running_loop()
        gate = asyncio.Semaphore(AT_ONCE)
        hello = upgrade_request(f"127.0.0.1:{port}", "/graphql", KEY, ["graphql-transport-ws"])

        async def one(number: int) -> None:
            async with gate:
                opened: asyncio.Future[None] = loop.create_future()
                topic = (first + number) % topics
                make = Subscriber(hello, topic, lambda: opened.set_result(None), self.got)
                place = socket_from(address)
                await loop.sock_connect(place, ("127.0.0.1", port))
                await loop.create_connection(lambda: make, sock=place)
                await asyncio.wait_for(opened, 60)
                self.clients.append(make)

        await asyncio.gather(*(one(number) for number in range(count)))

    async def expect(self, count: int) -> list[float]:
        """Return when each client had its `count`-th message."""
        self.times, self.expected = [], count
        self.complete.clear()
        for client in self.clients:
            if client.count >= count:
                self.got(count)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.complete.wait(), PATIENCE)
        return sorted(self.times)


def socket_from(address: str) -> socket.socket:
    """Return a socket that connects from an address; the port is chosen when it connects."""
    found = socket.socket()
    found.setblocking(False)
    found.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
    found.bind((address, 0))
    return found


async def main(port: int, count: int, first: int, topics: int) -> None:
    """Serve the commands."""
    crowd = Crowd()
    await crowd.open(port, count, first, topics)
    say({"ready": len(crowd.clients)})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        times = await crowd.expect(int(line.split()[1]))
        say({"times": times, "ended": sum(client.ended for client in crowd.clients)})


def say(value: object) -> None:
    """Print a reply."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:5])))
