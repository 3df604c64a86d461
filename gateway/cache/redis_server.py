"""One Redis server: its address from a URL, a connection when it is needed, and blocking reads of streams.

`redis_nodes` decides which server a key goes to.
"""

import asyncio
import math
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import parse_qsl, unquote

from gateway.cache.resp import (
    CONNECT_TIMEOUT,
    Command,
    Done,
    Reason,
    RedisConnection,
    RedisError,
    RedisFailure,
    Replies,
    new_reader,
    replies_of,
)
from gateway.core.clock import Clock
from gateway.core.errors import SettingsError
from gateway.resilience.breaker import Breaker
from gateway.settings import Secret

GRACE = 1.0  # seconds after the end of a blocking read for which its reply may be late
FORMS = (
    "redis://user:password@host:6379/0, rediss:// for TLS, unix:///path, redis+cluster://host1:7000,host2"
    " or redis+sentinel://user:password@host1:26379,host2:26379/master/0"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and as whom to log in. `path`: its Unix socket, instead of host and port."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    username: str = ""
    password: Secret | None = None
    database: int = 0

    def greeting(self) -> list[Command]:
        """Return the commands that a connection begins with.

        There is no HELLO: connections begin with RESP2, and servers before version 6 do not have it.
        """
        commands: list[Command] = []
        if self.password is not None:
            words = (self.username, self.password.value) if self.username else (self.password.value,)
            commands.append((b"AUTH", *(word.encode(errors="surrogateescape") for word in words)))
        if self.database:
            commands.append((b"SELECT", b"%d" % self.database))
        return commands


Resolve = Callable[[], Awaitable[Address]]


def fixed(address: Address) -> Resolve:
    """Return a function that returns this address."""

    async def resolve() -> Address:
        return address

    return resolve


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """What a URL of Redis names.

    `addresses`: the server, with a path or host; the seeds of a cluster; or how to log in at the master,
    whose name is `master` at the `sentinels`.
    """

    kind: Literal["single", "sentinel", "cluster"]
    addresses: tuple[Address, ...]
    sentinels: tuple[Address, ...] = ()
    master: str = ""


def parse_url(url: Secret) -> RedisUrl:
    """Return what a URL names.

    Parameters: `db`, instead of a path; `ssl_ca_certs`, the file with the authorities for TLS; and
    `sentinel_username`, `sentinel_password`, if the sentinels need a login. Raises SettingsError
    INVALID_CONFIG; no part of the URL is in the message, since a wrong URL may have its password anywhere.
    """
    try:
        return _parse(url.value)
    except _InvalidUrl as error:
        raise SettingsError(f"redis.url is not valid: {error}; expected {FORMS}", "INVALID_CONFIG") from None


class _InvalidUrl(Exception):
    """What is wrong with a URL, without any part of it."""


def _parse(url: str) -> RedisUrl:
    scheme, separator, rest = url.partition("://")
    kind, tls = _SCHEMES.get(scheme.lower(), ("", False))
    if not separator or not kind:
        raise _InvalidUrl("its scheme is not known")
    rest, _, query = rest.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if parameters.keys() - _PARAMETERS:
        raise _InvalidUrl(f"it has a parameter other than {', '.join(sorted(_PARAMETERS))}")
    authority, slash, path = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    base = replace(_login(credentials), tls=_tls_context(parameters.get("ssl_ca_certs")) if tls else None)
    if kind == "unix":
        base = replace(base, path=_text(unquote(hosts + slash + path), "a path"))
        return RedisUrl("single", (replace(base, database=_database(parameters.get("db", ""))),))
    if kind == "sentinel":
        return _parse_sentinel(base, hosts, path, parameters)
    base = replace(base, database=_database(parameters.get("db", path)))
    addresses = _addresses(base, hosts, 6379)
    if kind == "cluster":
        if base.database:
            raise _InvalidUrl("a cluster has database 0 only")
        return RedisUrl("cluster", addresses)
    if len(addresses) > 1:
        raise _InvalidUrl("it has several hosts")
    return RedisUrl("single", addresses)


def _login(credentials: str) -> Address:
    """Return an address with the user and the password of `user:password`."""
    user, colon, password = credentials.partition(":")
    if user and not colon:
        raise _InvalidUrl("it has a user without a password")
    return Address(username=unquote(user), password=Secret(unquote(password)) if colon else None)


_SCHEMES = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_PARAMETERS = {"db", "ssl_ca_certs", "sentinel_username", "sentinel_password"}


def _parse_sentinel(base: Address, hosts: str, path: str, parameters: Mapping[str, str]) -> RedisUrl:
    name, _, database = path.partition("/")
    base = replace(base, database=_database(parameters.get("db", database)))
    password = parameters.get("sentinel_password")
    sentinel = Address(
        tls=base.tls,
        username=parameters.get("sentinel_username", ""),
        password=None if password is None else Secret(password),
    )
    master = _text(unquote(name), "the name of the master")
    return RedisUrl("sentinel", (base,), _addresses(sentinel, hosts, 26379), master)


def _text(text: str, what: str) -> str:
    if not text:
        raise _InvalidUrl(f"it has not {what}")
    return text


def _addresses(base: Address, hosts: str, default: int) -> tuple[Address, ...]:
    """Return the addresses of `host:port,host:port`; an IPv6 address is in brackets."""
    found = []
    for place in hosts.split(","):
        if place.startswith("["):
            host, bracket, port = place[1:].partition("]")
            is_valid = bool(bracket) and port[:1] in ("", ":")
            port = port[1:]
        else:
            host, _, port = place.partition(":")
            is_valid = True
        if not is_valid or not host:
            raise _InvalidUrl("it has no host, or a host that is not valid")
        if port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535):
            raise _InvalidUrl("a port is not a number from 1 to 65535")
        found.append(replace(base, host=host, port=int(port or default)))
    return tuple(found)


def _database(text: str) -> int:
    text = text.strip("/")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise _InvalidUrl("its database is not a number")
    return int(text or 0)


def _tls_context(authorities: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities)
    except (OSError, ValueError):
        raise _InvalidUrl("the file of ssl_ca_certs cannot be read") from None


class Node:
    """One server, to which `send` connects when it is needed.

    `resolve` returns its address before each connection. `timeout`: seconds of a pipeline, by default.
    Raises SettingsError BAD_OPTION if the package hiredis is missing.
    """

    def __init__(self, resolve: Resolve, timeout: float, breaker: Breaker, clock: Clock) -> None:
        new_reader()
        self.resolve = resolve
        self.timeout = timeout
        self.breaker = breaker
        self.clock = clock
        self.is_closed = False
        self._connection: RedisConnection | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    def send(self, commands: Sequence[Command], done: Done, timeout: float | None = None) -> None:
        """Send a pipeline, if the breaker allows it. `done` is called exactly once, perhaps at once."""
        if self.is_closed:
            done(RedisFailure(Reason.CLOSED))
        elif self.breaker.is_closed or self.breaker.acquire():
            connection = self._connection or self._connect()
            connection.send(commands, done, self.timeout if timeout is None else timeout)
        else:
            done(RedisFailure(Reason.REFUSED))

    async def request(self, commands: Sequence[Command], timeout: float | None = None) -> Replies:
        """Return the replies to a pipeline, error replies as RedisError values. Raises RedisFailure."""
        return await replies_of(lambda done: self.send(commands, done, timeout))

    def drop(self) -> None:
        """Close the connection; pending pipelines fail. The next pipeline resolves the address again."""
        if self._connection is not None:
            self._connection.close()

    async def close(self) -> None:
        """Close the connection; pending pipelines fail, and further ones fail at once."""
        self.is_closed = True
        self.drop()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def _connect(self) -> RedisConnection:
        self._connection = RedisConnection(self.breaker, self.clock, self._ended)
        task = asyncio.get_running_loop().create_task(self._open(self._connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return self._connection

    def _ended(self, connection: RedisConnection) -> None:
        if connection is self._connection:
            self._connection = None

    async def _open(self, connection: RedisConnection) -> None:
        """Open the socket of a connection, or fail it."""
        try:
            async with asyncio.timeout(max(CONNECT_TIMEOUT, self.timeout)):
                address = await self.resolve()
                connection.greeting = address.greeting()
                await _open_socket(address, lambda: connection)
        except RedisFailure as failure:
            connection.fail(failure)
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be encoded
            connection.fail(RedisFailure(Reason.CONNECT, str(error) or type(error).__name__))


async def _open_socket(address: Address, factory: Callable[[], asyncio.Protocol]) -> None:
    loop = asyncio.get_running_loop()
    if address.path is not None:
        await loop.create_unix_connection(factory, address.path)
    else:
        name = address.host if address.tls else None
        await loop.create_connection(
            factory, address.host, address.port, ssl=address.tls, server_hostname=name
        )


class BlockingReader:
    """Reads streams over a connection of its own, so that waiting for entries delays nothing else.

    `block`: seconds for which the server waits for an entry.
    """

    def __init__(self, resolve: Resolve, block: float, clock: Clock) -> None:
        self.block = b"%d" % max(math.ceil(block * 1000), 1)
        self.breaker = Breaker(clock=clock)
        self._node = Node(resolve, block + GRACE, self.breaker, clock)

    async def read(
        self, positions: Mapping[bytes, bytes], count: int = 100
    ) -> dict[bytes, list[tuple[bytes, list[bytes]]]]:
        """Return the entries after these positions: (id, field and value in turn) by stream; {} if none came.

        `positions`: the last id read, or b"$", by stream. `count`: the maximum of entries of each stream.
        Raises RedisFailure, or RedisError for an error reply. One read at a time.
        """
        options = (b"COUNT", b"%d" % count, b"BLOCK", self.block)
        command = (b"XREAD", *options, b"STREAMS", *positions.keys(), *positions.values())
        try:
            (reply,) = await self._node.request([command])
            if isinstance(reply, RedisError):
                raise reply
        except (RedisError, asyncio.CancelledError):
            self._node.drop()  # another server may have the stream; a cancelled read still blocks this one
            raise
        return {stream: [(entry, fields) for entry, fields in rows] for stream, rows in reply or ()}

    async def close(self) -> None:
        """Close the connection; a read in progress fails with a RedisFailure."""
        await self._node.close()
