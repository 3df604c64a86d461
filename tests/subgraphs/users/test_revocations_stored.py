"""Tests that a revocation is not lost: while Redis is down it waits, and a Redis that has lost it gets it
again.
"""

import asyncio
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from subgraphs.kit.revocation import PREFIX
from subgraphs.kit.serve import guarded
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import Client, SigningKeys, fresh_database
from subgraphs.users.app import bootstrap

REGISTER = """mutation {
  register(input: {username: "ada", email: "ada@mail.example", password: "correct horse"}) {
    session { token } } }"""
WAITING = text("SELECT count(*) FROM token_revocations WHERE published_at IS NULL")


async def started(url: str, redis_url: str, keys: SigningKeys) -> Service:
    """Return the running service."""
    service = guarded(bootstrap)(ServiceSettings("users", url, redis_url, keys.public, keys.private))
    await service.start()
    return service


async def send(service: Service, query: str, token: str) -> Any:
    """Send a request with a token."""
    return await service.execute(query, None, None, {"authorization": f"Bearer {token}"})


async def all_published(service: Service) -> bool:
    """Return whether no revocation waits, within some seconds: Redis has one before its row says so."""
    for _ in range(100):
        if not await service.database.fetch_value(WAITING):
            return True
        await asyncio.sleep(0.05)
    return False


async def revoked(queue_url: str, count: int) -> bool:
    """Return whether Redis has this many revocations within some seconds."""
    async with Redis.from_url(queue_url) as redis:
        for _ in range(100):
            if len(await redis.keys(f"{PREFIX}revoked:*")) == count:
                return True
            await asyncio.sleep(0.05)
    return False


async def test_a_revocation_survives_redis(postgres_url: str, queue_url: str, keys: SigningKeys) -> None:
    """A log-out without Redis is stored and published when the service finds Redis; when Redis has lost all
    keys, the next start publishes them again, and the token stays refused.
    """
    async with fresh_database(postgres_url, "users") as url:
        service = await started(url, "redis://127.0.0.1:1/0", keys)
        token = (await Client(service).data(REGISTER))["register"]["session"]["token"]
        ended = await send(service, "mutation { logOut { endedSessions } }", token)
        assert ended["data"]["logOut"] == {"endedSessions": 1}
        assert await service.database.fetch_value(WAITING) == 1
        await service.stop()
        for _ in range(2):
            async with Redis.from_url(queue_url) as redis:
                await redis.flushdb()
            service = await started(url, queue_url, keys)
            assert await revoked(queue_url, 1)
            for _ in range(100):
                if (await send(service, "{ me { uuid } }", token))["data"] is None:
                    break
                await asyncio.sleep(0.01)
            else:
                raise AssertionError("the token still works")
            assert await all_published(service)
            await service.stop()
