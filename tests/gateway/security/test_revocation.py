"""Revoked tokens: by id and by subject, known and new ones, over a real Redis that also goes away."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from gateway.cli import app
from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.context import Identity
from gateway.core.errors import RequestError
from gateway.guards.make import make_callers
from gateway.observe.observer import Observer
from gateway.security.authenticate import Authenticator
from gateway.security.redis_link import RedisLink, SharedRedis
from gateway.security.revocation import Revocation, Revocations, revoke
from gateway.settings import (
    AuthenticationSettings,
    IssuerSettings,
    RedisSettings,
    RevocationSettings,
    Secret,
    Settings,
)

KEY = ECKey.generate_key("P-256")
PREFIX = "test-revocation:"


def token(**claims: Any) -> str:
    now = int(SYSTEM_CLOCK.now())
    given = {"sub": "ada", "iat": now, "exp": now + 600, **claims}
    return str(jwt.encode({"alg": "ES256"}, given, KEY, algorithms=["ES256"]))


def settings_with(tmp_path: Path, url: str, **given: Any) -> Settings:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    return Settings(
        authentication=AuthenticationSettings((IssuerSettings("main", jwks_file=str(file)),)),
        redis=RedisSettings(Secret(url), timeout=2.0, prefix=PREFIX),
        revocation=RevocationSettings(enabled=True, **given),
    )


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Any]:
    link = RedisLink(RedisSettings(Secret(redis_url), timeout=2.0), Observer())
    await link.client.flushdb()
    yield link.client
    await link.close()


@pytest.fixture
async def callers(tmp_path: Path, redis_url: str, redis: Any) -> AsyncIterator[Authenticator]:
    settings = settings_with(tmp_path, redis_url)
    shared = SharedRedis(settings.redis, Observer())
    found = make_callers(settings, shared, Observer(), SYSTEM_CLOCK)
    assert isinstance(found, Authenticator)
    yield found
    await found.close()
    await shared.close()


async def accepted(callers: Authenticator, given: str) -> bool:
    try:
        found = callers.identify({"authorization": f"Bearer {given}"})
        assert isinstance(found, Identity) or await found
    except RequestError as error:
        assert error.message == "the token was revoked"
        return False
    return True


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(1_000):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


async def listening(redis: Any) -> bool:
    return bool((await redis.pubsub_numsub(f"{PREFIX}revoked"))[0][1])


@pytest.mark.parametrize("by", ["jti", "sub"])
async def test_a_verified_token_is_revoked(callers: Authenticator, redis: Any, by: str) -> None:
    """The event ends a token that is in use; a token that comes later finds the key; others stay valid."""
    mine, other = token(jti="1"), token(jti="2", sub="bob")
    assert await accepted(callers, mine) and await accepted(callers, other)
    await until(lambda: listening(redis))
    assert await accepted(callers, mine)
    revocation = Revocation(jti="1") if by == "jti" else Revocation(sub="ada", before=SYSTEM_CLOCK.now())
    assert await revoke(redis, revocation, PREFIX) == 1

    async def is_refused() -> bool:
        return not await accepted(callers, mine)

    await until(is_refused)
    assert await accepted(callers, other)
    assert not await accepted(callers, token(jti="1", nonce=1))
    later = token(jti="3", iat=int(SYSTEM_CLOCK.now()) + 5)
    assert await accepted(callers, later), "a token that is issued after the revocation is valid"


async def test_an_event_during_a_verification(callers: Authenticator) -> None:
    """A token that is revoked between the look at Redis and the end of its verification is refused."""
    assert callers.revocations is not None
    callers.revocations.received(Revocation(jti="9"))
    assert not await accepted(callers, token(jti="9"))


async def test_forgotten_after_an_interruption(callers: Authenticator, redis: Any) -> None:
    """When the connection breaks, verified tokens are forgotten: an event may have been missed."""
    mine = token(jti="1")
    assert await accepted(callers, mine)
    await until(lambda: listening(redis))
    assert await accepted(callers, mine)
    await redis.set(f"{PREFIX}revoked:jti:1", b'{"jti":"1"}')
    assert await accepted(callers, mine), "no event was sent"
    await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    async def is_refused() -> bool:
        return not await accepted(callers, mine)

    await until(is_refused)


@pytest.mark.parametrize(("unavailable", "outcome"), [("accept", True), ("refuse", False)])
async def test_without_redis(tmp_path: Path, unavailable: str, outcome: bool) -> None:
    """While Redis is away, new tokens are accepted or refused as the settings say."""
    settings = settings_with(tmp_path, "redis://127.0.0.1:1/0", unavailable=unavailable)
    shared = SharedRedis(settings.redis, Observer())
    found = make_callers(settings, shared, Observer(), SYSTEM_CLOCK)
    assert isinstance(found, Authenticator)
    assert await accepted(found, token()) is outcome
    await found.close()
    await shared.close()


def test_what_a_revocation_covers() -> None:
    assert Revocation(jti="1").covers({"jti": "1"})
    assert not Revocation(jti="1").covers({"sub": "1"})
    old = Revocation(sub="a", before=10)
    assert old.covers({"sub": "a", "iat": 10}) and old.covers({"sub": "a"})
    assert not old.covers({"sub": "a", "iat": 11}) and not old.covers({"sub": "b", "iat": 1})


async def test_hostile_events(redis_url: str) -> None:
    """An event that is none changes nothing."""
    link = RedisLink(RedisSettings(Secret(redis_url), timeout=2.0, prefix=PREFIX), Observer())
    forgotten: list[Any] = []
    revocations = Revocations(link, False, forgotten.append)
    assert not await revocations.are_revoked({"sub": "a"})
    await until(lambda: listening(link.client))
    count = len(forgotten)
    for text in (b"", b"{", b"[]", b'{"jti": 5}', b"\xff" * 1000):
        await link.client.publish(f"{PREFIX}revoked", text)
    await revoke(link.client, Revocation(jti="1"), PREFIX)

    async def received() -> bool:
        return len(forgotten) > count

    await until(received)
    assert len(forgotten) == count + 1
    await revocations.close()
    await link.close()


def test_command(tmp_path: Path, redis_url: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"redis: {{url: '{redis_url}', timeout: 2s, prefix: '{PREFIX}'}}\n")
    arguments = ["revoke", "--config", str(file), "--subject", "ada"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.output.strip() == "revoked; 0 gateways were listening"
