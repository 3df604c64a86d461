"""The open sessions of users, cached in Redis: what `mySessions` shows. Tokens are never decided by it.

A reader that fills the cache may have read the database before a change. So each user has a generation,
which a change increments; the reader's list is stored only if the generation is still the one that the reader
saw before it read the database.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from subgraphs.users.session_model import SessionRecord

log = structlog.get_logger("subgraphs.users")

Load = Callable[[], Awaitable[Sequence[SessionRecord]]]
SECONDS: Final = 60
"""How long a list is cached. A change while Redis is down leaves an old list for at most this time."""
_GENERATION_SECONDS: Final = 86_400
_PREFIX: Final = "users:sessions:"
_FILL: Final = """
if (redis.call('get', KEYS[2]) or '') == ARGV[1] then redis.call('set', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
"""


class SessionCache:
    """Open sessions by user. Without Redis, each read loads them from the database."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def of_user(self, user_id: UUID, load: Load) -> Sequence[SessionRecord]:
        """Return a user's open sessions, from the cache or by `load`."""
        try:
            found: Any = await self._redis.mget(_keys(user_id))
        except (RedisError, OSError):
            return await load()
        cached, generation = found
        if cached is not None:
            try:
                return msgspec.json.decode(cached, type=list[SessionRecord])
            except (msgspec.DecodeError, msgspec.ValidationError):
                log.warning("a cached list of sessions cannot be read; loading it")
        loaded = await load()
        await self._fill(user_id, generation or b"", loaded)
        return loaded

    async def _fill(self, user_id: UUID, generation: bytes, loaded: Sequence[SessionRecord]) -> None:
        text: Any = msgspec.json.encode(loaded)
        try:
            await self._redis.eval(_FILL, 2, *_keys(user_id), generation, text, SECONDS)
        except (RedisError, OSError):
            log.info("sessions could not be cached")

    async def forget(self, user_id: UUID) -> None:
        """Delete a user's list after a change."""
        sessions, generation = _keys(user_id)
        try:
            async with self._redis.pipeline() as commands:
                commands.incr(generation)
                commands.expire(generation, _GENERATION_SECONDS)
                commands.delete(sessions)
                await commands.execute()
        except (RedisError, OSError):
            log.info("cached sessions could not be deleted; they expire")


def _keys(user_id: UUID) -> list[str]:
    return [f"{_PREFIX}{user_id}", f"{_PREFIX}{user_id}:generation"]
