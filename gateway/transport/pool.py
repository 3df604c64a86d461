"""The connections to one server: how many are in use, which are idle, and which calls wait for one."""

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

ADDRESS_SECONDS = 30.0  # seconds for which resolved addresses are cached


class PoolWaiter(Protocol):
    """A call that waits for a place in the pool."""

    @property
    def is_pending(self) -> bool:
        """Return whether it still needs a place."""
        ...

    def begin(self) -> None:
        """Occupy the place that has become free."""
        ...


class Origin:
    """The connections to one server.

    `idle`: idle connections, the last one used most recently. `busy`: the number of places in use, at most
    `limit`. `waiting`: the calls that wait for a place.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, wire: Wire, clock: Clock) -> None:
        self.host, self.port, self.tls = host, port, tls
        self.limit = wire.connections
        self.max_reply = wire.max_reply
        self.clock = clock
        self.idle: list[Connection] = []
        self.busy = 0
        self.waiting: deque[PoolWaiter] = deque()
        self.addresses = AddressCache(host, port, clock)

    def acquire_idle(self, at_most: float | None) -> Connection | None:
        """Return the idle connection that was used last, and remove it from the idle ones; None if there is
        none.

        `at_most`: the seconds that it may have been idle; None for any.
        """
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

    def release_place(self) -> None:
        """Free a place; the next waiting call occupies it."""
        self.busy -= 1
        while self.waiting:
            following = self.waiting.popleft()
            if following.is_pending:
                following.begin()
                return

    async def connect(self, within: float) -> Connection:
        """Return a new connection, to the first of the server's addresses that accepts one.

        `within`: seconds for all addresses together. Raises OSError, such as TimeoutError.
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
        self.addresses.clear()
        raise failed or OSError("the host name has no address")

    async def _connect(self, address: str) -> Connection:
        hostname = self.host if self.tls else None
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            partial(Connection, self.max_reply), address, self.port, ssl=self.tls, server_hostname=hostname
        )
        return connection


class AddressCache:
    """The addresses of a host name, resolved once for concurrent calls and cached for ADDRESS_SECONDS."""

    def __init__(self, host: str, port: int, clock: Clock) -> None:
        self.host, self.port, self.clock = host, port, clock
        self.found: list[str] = []
        self.valid_until = 0.0
        self.resolving: asyncio.Task[list[str]] | None = None
        try:
            self.literal = [str(ipaddress.ip_address(host))]
        except ValueError:
            self.literal = []

    async def get(self) -> list[str]:
        """Return the IP addresses of the host, at least one. Raises OSError if the name can't be resolved."""
        if self.literal:
            return self.literal
        if self.found and self.clock.time() < self.valid_until:
            return self.found
        if self.resolving is None or self.resolving.done():
            self.resolving = asyncio.ensure_future(self._resolve())
            self.resolving.add_done_callback(_retrieve_exception)
        return await asyncio.shield(self.resolving)

    async def _resolve(self) -> list[str]:
        loop = asyncio.get_running_loop()
        rows = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.found = list(dict.fromkeys(str(row[4][0]) for row in rows))
        self.valid_until = self.clock.time() + ADDRESS_SECONDS
        return self.found

    def clear(self) -> None:
        """Remove the cached addresses, because none of them accepted a connection."""
        self.found = []


def _retrieve_exception(task: "asyncio.Task[list[str]]") -> None:
    """Mark the exception of a finished task as retrieved; nobody awaits it if all callers were cancelled."""
    if not task.cancelled():
        task.exception()
