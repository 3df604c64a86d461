"""Revoked tokens: refused although they have not expired.

Revoking writes a key in Redis, for tokens that a gateway sees for the first time, and publishes an event, at
which gateways forget the tokens that they have verified. While Redis is away no event arrives; when it is
back, a gateway forgets all verified tokens.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.core.lru import LruCache
from gateway.security.redis_link import RedisLink, RedisUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHANNEL = "revoked"
RECENT = 10_000  # events that are remembered, for tokens whose verification is under way
RETRY = 1.0  # seconds until the next try to listen
STOP = 0.2  # seconds after which an unfinished cancellation is repeated
SILENCE = 5.0  # seconds without an event after which the connection is tested
DEFAULT_LIFETIME = 30 * 86_400  # seconds that a revocation is kept: as long as tokens may be valid


class Revocation(msgspec.Struct, frozen=True):
    """What is revoked: the token with the id `jti`, or all tokens of `sub` that were issued until `before`.

    `before`: seconds since 1970.
    """

    jti: str | None = None
    sub: str | None = None
    before: float = 0.0

    def covers(self, claims: Mapping[str, Any]) -> bool:
        """Return whether a token with these claims is revoked."""
        if self.jti is not None:
            return claims.get("jti") == self.jti
        issued = claims.get("iat")
        return claims.get("sub") == self.sub and not (
            isinstance(issued, int | float) and issued > self.before
        )

    @property
    def key(self) -> tuple[str, str]:
        """Return the last parts of its Redis key."""
        return ("jti", self.jti) if self.jti is not None else ("sub", self.sub or "")


async def revoke(
    client: "Redis", revocation: Revocation, prefix: str = "gateway:", lifetime: int = DEFAULT_LIFETIME
) -> int:
    """Revoke tokens at all gateways; return how many of them were listening.

    `prefix`: the gateways' setting redis.prefix. `lifetime`: the seconds that tokens may be valid.
    """
    text = msgspec.json.encode(revocation)
    await client.set(f"{prefix}{CHANNEL}:{':'.join(revocation.key)}", text, ex=lifetime)
    return int(await client.publish(f"{prefix}{CHANNEL}", text))


class Revocations:
    """The revoked tokens as one gateway knows them.

    `forget`: called with a function that says of claims whether they are revoked; the gateway then forgets
    the verified tokens with such claims.
    """

    def __init__(
        self,
        link: RedisLink,
        refuse_unknown: bool,
        forget: Callable[[Callable[[Mapping[str, Any]], bool]], None],
    ) -> None:
        self.link = link
        self.refuse_unknown = refuse_unknown
        self.forget = forget
        self.recent: LruCache[tuple[str, str], Revocation] = LruCache(RECENT)
        self.listening: asyncio.Task[None] | None = None

    async def are_revoked(self, claims: Mapping[str, Any]) -> bool:
        """Return whether a token with these claims is revoked; also, by the settings, if nobody knows."""
        if self.listening is None or self.listening.done():
            self.listening = asyncio.ensure_future(self._listen())
        asked = [Revocation(jti=claims["jti"])] if isinstance(claims.get("jti"), str) else []
        asked += [Revocation(sub=claims["sub"])] if isinstance(claims.get("sub"), str) else []
        if not asked:
            return False
        keys = [self.link.key(CHANNEL, *one.key) for one in asked]
        try:
            texts = await self.link.run(lambda client: client.mget(keys))
        except RedisUnavailable:
            return self.refuse_unknown
        stored = [msgspec.json.decode(text, type=Revocation) for text in texts if text is not None]
        recent = [found for one in asked if (found := self.recent.get(one.key)) is not None]
        return any(one.covers(claims) for one in (*stored, *recent))

    async def _listen(self) -> None:
        """Forget tokens at events, for ever; after each interruption forget all tokens."""
        from redis.asyncio import Redis  # noqa: PLC0415 - an optional extra
        from redis.exceptions import RedisError  # noqa: PLC0415 - an optional extra

        url = self.link.settings.url
        while url is not None:
            client = Redis.from_url(url.value, socket_connect_timeout=RETRY)
            try:
                with suppress(RedisError, OSError):
                    await self._receive(client)
            finally:
                await client.aclose()
            self.forget(lambda _: True)
            await self.link.clock.sleep(RETRY)

    async def _receive(self, client: "Redis") -> None:
        """Handle events until the connection is silent although it is tested."""
        async with client.pubsub() as subscription:
            await subscription.subscribe(self.link.key(CHANNEL))
            self.forget(lambda _: True)
            silent = 0
            while silent < 2:
                message = await subscription.get_message(timeout=SILENCE)
                silent = 0 if message is not None else silent + 1
                if message is None:
                    await subscription.ping()
                elif message["type"] == "message":
                    with suppress(msgspec.DecodeError, msgspec.ValidationError):
                        self.received(msgspec.json.decode(message["data"], type=Revocation))

    def received(self, revocation: Revocation) -> None:
        """Forget the tokens that an event revokes."""
        self.recent.put(revocation.key, revocation)
        self.forget(revocation.covers)

    async def close(self) -> None:
        """Stop to listen.

        A cancellation can get lost where the client's own timeout ends at the same moment, so it is repeated.
        """
        while self.listening is not None and not self.listening.done():
            self.listening.cancel()
            await asyncio.wait([self.listening], timeout=STOP)
