"""Documents in Redis or Valkey, which several gateways share.

No request fails or waits long because of Redis (see `RedisLink`): a document that can't be read counts as
unknown, so the client sends it again.
"""

import asyncio
from contextlib import suppress
from typing import Any

from gateway.security.redis_link import RedisLink, RedisUnavailable

MAX_WRITES = 100  # at the same time; further documents are not stored


class RedisStore:
    """Stores documents in Redis by their hashes (see `automatic.SharedStore`). `ttl`: in seconds."""

    def __init__(self, link: RedisLink, ttl: float) -> None:
        self.link = link
        self.lifetime = max(int(ttl * 1000), 1)  # in milliseconds
        self.writes: set[asyncio.Task[Any]] = set()

    async def get(self, key: str) -> str | None:
        name = self.link.key("document", key)
        try:
            found: Any = await self.link.run(lambda redis: redis.getex(name, px=self.lifetime))
        except RedisUnavailable:
            return None
        try:
            return None if found is None else str(found, "utf-8")
        except UnicodeDecodeError:
            return None

    def put(self, key: str, text: str) -> None:
        if self.link.is_paused or len(self.writes) >= MAX_WRITES:
            return
        task = asyncio.ensure_future(self._put(key, text))
        self.writes.add(task)
        task.add_done_callback(self.writes.discard)

    async def _put(self, key: str, text: str) -> None:
        name, value = self.link.key("document", key), text.encode("utf-8", "surrogatepass")
        with suppress(RedisUnavailable):
            await self.link.run(lambda redis: redis.set(name, value, px=self.lifetime))

    async def close(self) -> None:
        if self.writes:
            await asyncio.wait(self.writes)
