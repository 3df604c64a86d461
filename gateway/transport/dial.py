"""Opens connections that are for streams, and belong to no pool."""

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeVar

from gateway.core.clock import Clock
from gateway.transport.pool import AddressCache

P = TypeVar("P", bound=asyncio.Protocol)


class Dialer:
    """Opens connections to one server. `tls`: None for connections without TLS."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, clock: Clock) -> None:
        self.host, self.port, self.tls = host, port, tls
        self.addresses = AddressCache(host, port, clock)

    def __repr__(self) -> str:
        return f"Dialer({self.host}:{self.port}{' with TLS' if self.tls else ''})"

    async def connect(self, protocol: Callable[[], P], within: float) -> P:
        """Return a new connection, to the first of the server's addresses that accepts one.

        `within`: seconds for all addresses together. Raises OSError, such as TimeoutError, or UnicodeError
        for a host name that can't be encoded.
        """
        async with asyncio.timeout(within):
            addresses = await self.addresses.get()
            failed: OSError | None = None
            for address in addresses:
                try:
                    async with asyncio.timeout(within / len(addresses)):
                        return await self._connect(protocol, address)
                except OSError as error:
                    failed = error
        self.addresses.clear()
        raise failed or OSError("the host name has no address")

    async def _connect(self, protocol: Callable[[], P], address: str) -> P:
        hostname = self.host if self.tls else None
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            protocol, address, self.port, ssl=self.tls, server_hostname=hostname
        )
        return connection
