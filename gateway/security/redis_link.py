"""A Redis server that may be slow, full or away: nothing waits for it longer than a timeout."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SettingsError
from gateway.observe.facts import RedisFailed, RedisReturned
from gateway.observe.observer import Observer
from gateway.settings import RedisSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")
PAUSE = 1.0  # seconds without Redis after a failure, so that not every request waits for a timeout
CONNECTIONS = 20


class RedisUnavailable(Exception):
    """Redis did not reply in time, or with an error."""


def _client(settings: RedisSettings) -> "Redis":
    """Return a client with a limited number of connections, which never repeats a command.

    Raises SettingsError BAD_OPTION if the package is missing or the URL is not valid.
    """
    try:
        from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415 - an optional extra
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
    except ImportError as error:
        message = "Redis needs the package redis; install the extra: pip install 'mussikon[redis]'"
        raise SettingsError(message, "BAD_OPTION") from error
    if settings.url is None:
        raise SettingsError("expected redis.url, the URL of the Redis server, got none", "INVALID_CONFIG")
    wait, never = settings.timeout, Retry(NoBackoff(), 0)
    try:
        pool: Any = BlockingConnectionPool.from_url(
            settings.url.value,
            max_connections=CONNECTIONS,
            timeout=wait,
            socket_connect_timeout=wait,
            retry=never,
        )
    except ValueError:  # its message may have the password
        message = "redis.url is not valid; expected redis://user:password@host:6379/0"
        raise SettingsError(message, "INVALID_CONFIG") from None
    return Redis.from_pool(pool)


def _errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of commands that fail."""
    from redis.exceptions import RedisError  # noqa: PLC0415 - an optional extra

    return RedisError, OSError


class RedisLink:
    """The connections to one Redis server.

    After a failure it is not asked for a second. Raises SettingsError BAD_OPTION if the package is missing
    or the URL is not valid.
    """

    def __init__(self, settings: RedisSettings, observer: Observer, clock: Clock = SYSTEM_CLOCK) -> None:
        self.client = _client(settings)
        self.errors = _errors()
        self.settings = settings
        self.observer = observer
        self.clock = clock
        self.away_until = 0.0
        self.is_away = False
        self.running = 0  # commands
        self.idle = asyncio.Event()

    @property
    def is_paused(self) -> bool:
        """Return whether Redis is not asked: it has just failed, or the link is closed."""
        return self.clock.time() < self.away_until

    async def run(self, command: Callable[["Redis"], Awaitable[T]]) -> T:
        """Return the result of a command. Raises RedisUnavailable."""
        if self.is_paused:
            raise RedisUnavailable("Redis has failed just now")
        self.running += 1
        try:
            # waiting for a connection, connecting, and the reply may each last as long as one timeout
            async with asyncio.timeout(self.settings.timeout):
                found = await command(self.client)
        except self.errors as error:
            raise self._failed(error) from error
        finally:
            self.running -= 1
            if not self.running:
                self.idle.set()
        if self.is_away:
            self.is_away = False
            self.observer.emit(RedisReturned())
        return found

    def _failed(self, error: Exception) -> RedisUnavailable:
        """Pause, report the first failure, and return the exception. Redis's messages have no password."""
        self.away_until = max(self.away_until, self.clock.time() + PAUSE)
        is_late = isinstance(error, TimeoutError) and not str(error)
        reason = f"no reply within {self.settings.timeout:g} seconds" if is_late else str(error)
        if not self.is_away:
            self.is_away = True
            self.observer.emit(RedisFailed(f"{type(error).__name__}: {reason}"))
        return RedisUnavailable(reason)

    def key(self, *parts: Any) -> str:
        """Return a key or channel of the gateway."""
        return self.settings.prefix + ":".join(map(str, parts))

    async def close(self) -> None:
        """Close the connections when the commands in progress have ended; no further command is sent."""
        self.away_until = math.inf
        if self.running:
            self.idle.clear()
            await self.idle.wait()
        await self.client.aclose()


class SharedRedis:
    """The one link of a gateway to Redis, made when something first asks for it."""

    def __init__(self, settings: RedisSettings, observer: Observer, clock: Clock = SYSTEM_CLOCK) -> None:
        self._make = partial(RedisLink, settings, observer, clock)
        self._link: RedisLink | None = None

    def link(self) -> RedisLink:
        """Return the link. Raises SettingsError BAD_OPTION."""
        if self._link is None:
            self._link = self._make()
        return self._link

    async def close(self) -> None:
        """Close the link, if there is one."""
        if self._link is not None:
            await self._link.close()
