"""The connections to one server.

How many, which are idle, who waits for one, and how a new one comes about.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import deque
from functools import partial
from typing import Protocol

from gateway.core.clock import Clock
from gateway.settings import Wire
from gateway.transport.connection import Connection

KNOWN = 30.0  # seconds for which the addresses of a name are believed


class PoolWaiter(Protocol):
    """Who waits for a place."""

    @property
    def is_open(self) -> bool:
        """Whether it still wants one."""
        ...

    def begin(self) -> None:
        """Take it."""
        ...


class Origin:
    """One server: its idle connections, how many are in use, and who waits for one."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, wire: Wire, clock: Clock) -> None:
        self.host, self.port, self.tls = host, port, tls
        self.limit = wire.connections
        self.max_reply = wire.max_reply
        self.clock = clock
        self.idle: list[Connection] = []
        self.busy = 0
        self.waiting: deque[PoolWaiter] = deque()
        self.addresses = AddressCache(host, port, clock)

    def take_idle(self, at_most: float | None) -> Connection | None:
        """The idle connection used last; None when there is none, or none idle for so few seconds."""
        idle = self.idle
        while idle:
            connection = idle[-1]
            if not connection.usable:
                idle.pop()
            elif at_most is not None and self.clock.time() - connection.idle_since > at_most:
                return None
            else:
                return idle.pop()
        return None

    def leave(self) -> None:
        """A place is free: the next in line takes it."""
        self.busy -= 1
        while self.waiting:
            following = self.waiting.popleft()
            if following.is_open:
                following.begin()
                return

    async def connect(self, within: float) -> Connection:
        """A new connection to the first of the server's addresses that takes it.

        Raises OSError, TimeoutError among them.
        """
        async with asyncio.timeout(within):
            addresses = await self.addresses.get()
            failed: OSError | None = None
            for address in addresses:
                try:
                    async with asyncio.timeout(within / len(addresses)):
                        return await self._connect(address)
                except OSError as error:
                    failed = error
        self.addresses.forget()
        raise failed or OSError("the name has no address")

    async def _connect(self, address: str) -> Connection:
        hostname = self.host if self.tls else None
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            partial(Connection, self.max_reply), address, self.port, ssl=self.tls, server_hostname=hostname
        )
        return connection


class AddressCache:
    """The addresses of a name: looked up once for all who ask at the same time, and believed for a while."""

    def __init__(self, host: str, port: int, clock: Clock) -> None:
        self.host, self.port, self.clock = host, port, clock
        self.found: list[str] = []
        self.until = 0.0
        self.looking: asyncio.Task[list[str]] | None = None
        try:
            self.literal = [str(ipaddress.ip_address(host))]
        except ValueError:
            self.literal = []

    async def get(self) -> list[str]:
        """The addresses, at least one. Raises OSError."""
        if self.literal:
            return self.literal
        if self.found and self.clock.time() < self.until:
            return self.found
        if self.looking is None or self.looking.done():
            self.looking = asyncio.ensure_future(self._look())
            self.looking.add_done_callback(_heard)
        return await asyncio.shield(self.looking)

    async def _look(self) -> list[str]:
        loop = asyncio.get_running_loop()
        rows = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.found = list(dict.fromkeys(str(row[4][0]) for row in rows))
        self.until = self.clock.time() + KNOWN
        return self.found

    def forget(self) -> None:
        """None of them works: look again next time."""
        self.found = []


def _heard(task: "asyncio.Task[list[str]]") -> None:
    """Who asked may have left; the error is not lost on anybody then."""
    if not task.cancelled():
        task.exception()
