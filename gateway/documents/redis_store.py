"""Documents in Redis or Valkey, which several gateways share.

No request may fail or wait long because of Redis: each call has a time limit, and after a failure no call is
made for PAUSE_SECONDS. A document that can't be read counts as unknown, so the client sends it again.
"""

import asyncio
import math
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.core.clock import Clock
from gateway.documents.failures import FailureReports
from gateway.settings import DocumentRedisSettings

PAUSE_SECONDS = 1.0
CONNECTIONS = 20
MAX_WRITES = 100  # at the same time; further documents are not stored


class RedisStore:
    """Stores documents in Redis by their hashes (see `automatic.SharedStore`)."""

    def __init__(self, settings: DocumentRedisSettings, clock: Clock, failures: FailureReports) -> None:
        self.settings = settings
        self.clock = clock
        self.failures = failures
        self.paused_until = clock.time()
        self.writes: set[asyncio.Task[Any]] = set()
        url = settings.url.value if settings.url is not None else ""
        pool: Any = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=settings.timeout,
            socket_connect_timeout=settings.timeout,
            retry=Retry(NoBackoff(), 0),
            decode_responses=False,
        )
        self.redis = Redis.from_pool(pool)

    async def get(self, key: str) -> str | None:
        if self.clock.time() < self.paused_until:
            return None
        try:
            async with asyncio.timeout(self.settings.timeout):
                found: Any = await self.redis.getex(self.settings.prefix + key, px=self._lifetime())
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)
            return None
        try:
            return None if found is None else str(found, "utf-8")
        except UnicodeDecodeError:
            return None

    def put(self, key: str, text: str) -> None:
        if self.clock.time() < self.paused_until or len(self.writes) >= MAX_WRITES:
            return
        task = asyncio.ensure_future(self._put(key, text))
        self.writes.add(task)
        task.add_done_callback(self.writes.discard)

    async def _put(self, key: str, text: str) -> None:
        value = text.encode("utf-8", "surrogatepass")
        try:
            async with asyncio.timeout(self.settings.timeout):
                await self.redis.set(self.settings.prefix + key, value, px=self._lifetime())
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)

    def _lifetime(self) -> int:
        """Return how long a document is stored, in milliseconds."""
        return max(int(self.settings.ttl * 1000), 1)

    def _failed(self, error: Exception) -> None:
        """Report a failure, and make no call for some time. Redis's messages have no password."""
        self.paused_until = self.clock.time() + PAUSE_SECONDS
        timeout = isinstance(error, TimeoutError) and not str(error)
        reason = f"no reply within {self.settings.timeout:g} seconds" if timeout else str(error)
        self.failures.failed(reason)

    async def close(self) -> None:
        self.paused_until = math.inf  # requests in progress open no connection again
        if self.writes:
            await asyncio.wait(self.writes)
        await self.redis.aclose()
        await self.redis.connection_pool.aclose()
