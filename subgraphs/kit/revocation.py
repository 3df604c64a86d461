"""The revoked tokens as one service process knows them: a copy in memory of what Redis has.

The users service revokes tokens under the keys that the gateway reads (`gateway/security/revocation`): it
stores a key and publishes it. Each service reads all keys when it connects, and again every RELOAD_SECONDS;
in between it receives the published ones. So the check of a token needs no request, and a restarted service
knows what was revoked before. While Redis is down, a service refuses what it knew before.

Example: the key `gateway:revoked:sub:0f2e...` with {"sub": "0f2e...", "before": 1767225600.25} refuses all
tokens of this user whose `iat` is not greater than `before`.
"""

import asyncio
import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.security.revocation import CHANNEL, Revocation
from subgraphs.kit.clock import SYSTEM_CLOCK, Clock
from subgraphs.kit.identity import ValidToken
from subgraphs.kit.tasks import Background

log = structlog.get_logger("subgraphs.revocation")

PREFIX = "gateway:"
"""The default of the gateway's setting `redis.prefix`."""
RELOAD_SECONDS = 600.0
START_SECONDS = 2.0
_SILENCE = 5.0  # seconds without a message after which the connection is tested
_SILENT = 2  # tests without an answer after which a new connection is opened
_RETRY = 0.5
_READ = 500  # keys per request


class RevokedTokens(Background):
    """The revoked tokens, as a part of every service; `covers` answers from memory."""

    task_name = "revoked tokens"

    def __init__(self, redis_url: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._url = redis_url
        self._clock = clock
        self._known: dict[tuple[str, str], Revocation] = {}
        self._has_tried = asyncio.Event()
        self._is_failing = False

    def covers(self, token: ValidToken) -> bool:
        """Return whether a token is revoked: it, or all tokens of its user until some time."""
        subject = str(token.identity.user_id)
        claims = {"jti": token.id, "sub": subject, "iat": token.issued_at}
        found = (self._known.get(("jti", token.id)), self._known.get(("sub", subject)))
        return any(one is not None and one.covers(claims) for one in found)

    async def start(self) -> None:
        """Start to receive revocations; wait for those in Redis, but at most START_SECONDS."""
        await super().start()
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._has_tried.wait()

    async def _run(self) -> None:
        while True:
            redis = Redis.from_url(self._url, socket_connect_timeout=2, socket_timeout=10, protocol=2)
            try:
                await self._follow(redis)
            except (RedisError, OSError) as error:
                if not self._is_failing:  # once per outage
                    log.warning("revocations cannot be received; retrying", reason=type(error).__name__)
                self._is_failing = True
            finally:
                self._has_tried.set()
                await redis.aclose()
            await self._clock.sleep(_RETRY)

    async def _follow(self, redis: Redis) -> None:
        """Load all revocations, receive new ones, and load all again, until the connection fails."""
        async with redis.pubsub() as subscription:
            await subscription.subscribe(f"{PREFIX}{CHANNEL}")
            silent, until = 0, -math.inf
            while silent < _SILENT:
                if self._clock.monotonic() >= until:
                    await self._load(redis)
                    self._has_tried.set()
                    self._is_failing = False
                    until = self._clock.monotonic() + RELOAD_SECONDS
                message = await subscription.get_message(timeout=_SILENCE)
                silent = 0 if message is not None else silent + 1
                if message is None:
                    await subscription.ping()
                elif message["type"] == "message":
                    self._known.update(_read([message["data"]]))

    async def _load(self, redis: Redis) -> None:
        """Replace the known revocations by those in Redis. Those that arrive meanwhile are received after."""
        loaded: dict[tuple[str, str], Revocation] = {}
        batch: list[bytes] = []
        async for key in redis.scan_iter(match=f"{PREFIX}{CHANNEL}:*", count=_READ):
            batch.append(key)
            if len(batch) == _READ:
                loaded |= _read(await redis.mget(batch))
                batch = []
        loaded |= _read(await redis.mget(batch)) if batch else {}
        self._known = loaded


def _read(texts: Iterable[Any]) -> dict[tuple[str, str], Revocation]:
    """Return the revocations in these JSON texts by their keys; other texts and None are ignored."""
    found: dict[tuple[str, str], Revocation] = {}
    for text in texts:
        with suppress(msgspec.DecodeError, msgspec.ValidationError, TypeError):
            one = msgspec.json.decode(text, type=Revocation)
            found[one.key] = one
    return found
