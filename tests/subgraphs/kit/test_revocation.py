"""Tests of revoked tokens in services: refused within a second, after a restart, and in the cache."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from gateway.security.revocation import Revocation, revoke
from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.identity import SERVICE, TokenSigner, TokenVerifier
from subgraphs.kit.revocation import PREFIX, RevokedTokens
from subgraphs.kit.testing import SigningKeys


@pytest.fixture
async def redis(queue_url: str) -> AsyncIterator[Redis]:
    """A connection to an empty database of Valkey."""
    client = Redis.from_url(queue_url)
    await client.flushdb()
    yield client
    await client.aclose()


def refuses(verifier: TokenVerifier, value: str) -> bool:
    """Return whether a token is refused."""
    try:
        verifier.identity(f"Bearer {value}")
    except Unauthenticated:
        return True
    return False


async def within_a_second(verifier: TokenVerifier, value: str) -> bool:
    """Return whether a token is refused at the latest after a second."""
    for _ in range(100):
        if refuses(verifier, value):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_published_revocation_ends_a_cached_token(
    redis: Redis, queue_url: str, keys: SigningKeys
) -> None:
    """One token, or all earlier tokens of a user, are refused; others are not, nor later ones."""
    verifier, signer, user = TokenVerifier(keys.public), TokenSigner(keys.private), uuid4()
    verifier.revoked = revoked = RevokedTokens(queue_url)
    await revoked.start()
    one, two, other = signer.sign(user, "client"), signer.sign(user, "client"), signer.sign(uuid4(), "client")
    assert not any(refuses(verifier, token.value) for token in (one, two, other))
    await revoke(redis, Revocation(jti=one.id), PREFIX)
    assert await within_a_second(verifier, one.value)
    assert not refuses(verifier, two.value)
    issued = verifier.token(f"Bearer {two.value}")
    assert issued is not None
    await revoke(redis, Revocation(sub=str(user), before=issued.issued_at), PREFIX)
    assert await within_a_second(verifier, two.value)
    assert not refuses(verifier, signer.sign(user, "client").value)
    assert not refuses(verifier, other.value)
    await redis.publish(f"{PREFIX}revoked", "{broken")
    await revoke(redis, Revocation(jti=other.id), PREFIX)
    assert await within_a_second(verifier, other.value)
    await revoked.stop()


async def test_a_restarted_service_knows_them(redis: Redis, queue_url: str, keys: SigningKeys) -> None:
    """At its start a service reads what was revoked before, also more than one page of keys."""
    token, service = TokenSigner(keys.private).sign(uuid4(), "client"), TokenSigner(keys.service)
    await revoke(redis, Revocation(jti=token.id), PREFIX)
    for _ in range(1100):
        await redis.set(f"{PREFIX}revoked:jti:{uuid4().hex}", b'{"jti": "x"}')
    await redis.set(f"{PREFIX}revoked:jti:broken", b"\xff")
    verifier = TokenVerifier(keys.public)
    verifier.revoked = revoked = RevokedTokens(queue_url)
    await revoked.start()
    assert refuses(verifier, token.value)
    assert not refuses(verifier, service.sign(uuid4(), SERVICE).value)
    await revoked.stop()


async def test_without_redis_a_service_starts(keys: SigningKeys) -> None:
    """While Redis is down, tokens are accepted, and the part starts and stops."""
    verifier = TokenVerifier(keys.public)
    verifier.revoked = revoked = RevokedTokens("redis://127.0.0.1:1/0")
    await revoked.start()
    assert not refuses(verifier, TokenSigner(keys.private).sign(uuid4(), "client").value)
    await revoked.stop()
