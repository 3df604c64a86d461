"""Receives messages of Redis channels (Pub/Sub). Messages that are sent while Redis is away are lost."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.core.clock import Clock
from gateway.core.errors import SettingsError
from gateway.observe.facts import RedisFailed, RedisReturned
from gateway.observe.observer import Observer
from gateway.settings import Secret

if TYPE_CHECKING:
    from redis.asyncio import Redis

SILENCE = 10.0  # seconds without a message, after which the connection is tested
RETRY = 0.5  # seconds between two attempts to reach Redis
OnMessage = Callable[[bytes, bytes], object]
"""Receives the name of a channel, and a message."""


class ChannelReader:
    """The messages of some channels, over a connection of their own.

    `on_message`: receives them. `lost`: called with the reason when messages may have been lost. `on_ready`:
    called when the channels are subscribed for the first time. Raises SettingsError BAD_OPTION if the package
    redis is missing.
    """

    def __init__(self, url: Secret, channels: Sequence[bytes], observer: Observer, clock: Clock) -> None:
        _package()
        self.url = url
        self.channels = tuple(channels)
        self.observer = observer
        self.clock = clock
        self.on_message: OnMessage = lambda *_: None
        self.on_ready: Callable[[], object] = lambda: None
        self.lost: Callable[[str], object] = lambda _: None
        self.is_ready = False
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to receive, in a task."""
        if self.task is None and self.channels:
            self.task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Stop to receive. A cancellation can get lost in the client's own timeouts, so it is repeated."""
        while self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task], timeout=1.0)
        self.task = None

    async def _run(self) -> None:
        """Receive for ever; after a failure connect again."""
        redis, errors = _package()
        is_down = False
        while True:
            client = redis.from_url(self.url.value, socket_connect_timeout=5.0)
            try:
                await self._receive(client, is_down)
            except errors as error:
                if not is_down:
                    self.observer.emit(RedisFailed(f"channels: {type(error).__name__}"))
                is_down = True
            finally:
                with suppress(*errors):
                    await client.aclose()
            await self.clock.sleep(RETRY)

    async def _receive(self, client: "Redis", is_again: bool) -> None:
        """Pass messages on until the connection fails, or is silent although it is tested."""
        async with client.pubsub() as subscription:
            await subscription.subscribe(*self.channels)
            if is_again:
                self.observer.emit(RedisReturned())
            if self.is_ready:
                self.lost("the connection to the channels was broken")
            else:
                self.is_ready = True
                self.on_ready()
            silent = 0
            while silent < 2:
                message = await subscription.get_message(timeout=SILENCE)
                silent = 0 if message is not None else silent + 1
                if message is None:
                    await subscription.ping()
                elif message["type"] == "message":
                    self.on_message(message["channel"], message["data"])


def _package() -> "tuple[type[Redis], tuple[type[Exception], ...]]":
    """Return the client's class and its exceptions. Raises SettingsError BAD_OPTION without the package."""
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - an optional extra
        from redis.exceptions import RedisError  # noqa: PLC0415
    except ImportError as error:
        message = "Redis channels need the package redis; install the extra: pip install 'mussikon[redis]'"
        raise SettingsError(message, "BAD_OPTION") from error
    return Redis, (RedisError, OSError)
