"""A Redis server that may be slow, full or away: nothing waits for it longer than a timeout."""

from collections.abc import Awaitable, Callable
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


class RedisUnavailable(Exception):
    """Redis did not reply in time, or with an error."""


class RedisLink:
    """The connections to one Redis server.

    After a failure it is not asked for a second. Raises SettingsError BAD_OPTION if the package is missing
    or the URL is not valid.
    """

    def __init__(self, settings: RedisSettings, observer: Observer, clock: Clock = SYSTEM_CLOCK) -> None:
        try:
            from redis.asyncio import Redis  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            message = "Redis needs the package redis; install the extra: pip install 'mussikon[redis]'"
            raise SettingsError(message, "BAD_OPTION") from error
        if settings.url is None:
            raise SettingsError("expected redis.url, the URL of the Redis server, got none", "BAD_OPTION")
        self.settings = settings
        self.observer = observer
        self.clock = clock
        self.away_until = 0.0
        self.is_away = False
        wait = settings.timeout
        try:
            self.client: Redis = Redis.from_url(
                settings.url.value, socket_timeout=wait, socket_connect_timeout=wait, retry=None
            )
        except ValueError as error:
            raise SettingsError(f"redis.url is not a valid Redis URL: {error}", "BAD_OPTION") from error

    async def run(self, command: Callable[["Redis"], Awaitable[T]]) -> T:
        """Return the result of a command. Raises RedisUnavailable."""
        from redis.exceptions import RedisError  # noqa: PLC0415 - an optional extra

        if self.clock.time() < self.away_until:
            raise RedisUnavailable("Redis has failed just now")
        try:
            found = await command(self.client)
        except (RedisError, OSError) as error:
            self.away_until = self.clock.time() + PAUSE
            if not self.is_away:
                self.is_away = True
                self.observer.emit(RedisFailed(f"{type(error).__name__}: {error}"))
            raise RedisUnavailable(str(error)) from error
        if self.is_away:
            self.is_away = False
            self.observer.emit(RedisReturned())
        return found

    def key(self, *parts: Any) -> str:
        """Return a key or channel of the gateway."""
        return self.settings.prefix + ":".join(map(str, parts))

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()
