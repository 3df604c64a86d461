"""Registered documents in Redis: shared by gateways, checked when read, and no request waits for a server
that is slow or away.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.answering import Gateway
from gateway.core.clock import FakeClock
from gateway.core.errors import SettingsError
from gateway.documents import redis_store
from gateway.documents.hashes import hash_of
from gateway.documents.redis_store import RedisStore
from gateway.guards.documents import DocumentGuard, RegistrationGuard
from gateway.observe.facts import RedisFailed, RedisReturned
from gateway.security.redis_link import PAUSE
from gateway.settings import AutomaticDocumentSettings, DocumentSettings, RedisSettings, Secret
from subgraphs.platform.valkey import ValkeyServer, start_valkey
from tests.gateway.documents.support import by_hash, gateway_of, outcome, registering

UNKNOWN = "PERSISTED_QUERY_NOT_FOUND"
PREFIX = "test:"
PATIENT = 20.0  # seconds: a slow machine must not count as a slow server
KEY = f"{PREFIX}document:{hash_of('{ a }')}"
SETTINGS = DocumentSettings(automatic=AutomaticDocumentSettings(enabled=True, store="redis", ttl=60.0))


def redis_at(url: str, timeout: float = PATIENT) -> RedisSettings:
    return RedisSettings(Secret(url), timeout, PREFIX)


class Gateways:
    """Makes gateways over one server, with one clock and one list of facts."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self.stack = stack
        self.clock = FakeClock()
        self.facts: list[Any] = []

    def make(self, timeout: float = PATIENT) -> Gateway:
        """Return another gateway, which is closed at the end."""
        gateway = gateway_of(SETTINGS, self.facts, clock=self.clock, redis=redis_at(self.url, timeout))
        self.stack.push_async_callback(gateway.close)
        return gateway

    async def until_known(self, text: str) -> None:
        """Return when another gateway finds a text: nobody waits for writing."""
        async with asyncio.timeout(PATIENT):
            while await outcome(self.make(), by_hash(text)) == UNKNOWN:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def server(servers_folder: Path) -> Iterator[ValkeyServer]:
    """Start a server for the tests of this module, which stop it at times."""
    server = start_valkey(servers_folder / "documents", durable=False)
    yield server
    server.stop()


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    """Yield a client of the server, which is empty."""
    async with Redis.from_url(server.url) as client:
        await client.flushdb()
        await client.config_resetstat()
        yield client


@pytest.fixture
async def gateways(server: ValkeyServer, redis: Redis) -> AsyncIterator[Gateways]:
    async with AsyncExitStack() as stack:
        yield Gateways(server.url, stack)


async def calls(redis: Redis, command: str) -> int:
    """Return how often the server has executed a command."""
    found: Any = await redis.info("commandstats")
    return int(found.get(f"cmdstat_{command}", {}).get("calls", 0))


async def test_gateways_share_documents(gateways: Gateways, redis: Redis) -> None:
    """What one gateway has registered another one finds; it reads each document once."""
    first, second = gateways.make(), gateways.make()
    assert await outcome(first, by_hash("{ a }")) == UNKNOWN
    assert await outcome(first, registering("{ a }")) == {"a": 1}
    await gateways.until_known("{ a }")
    before = await calls(redis, "getex")
    assert [await outcome(second, by_hash("{ a }")) for _ in range(3)] == [{"a": 1}] * 3
    assert await outcome(first, by_hash("{ a }")) == {"a": 1}
    assert await calls(redis, "getex") == before + 1
    assert await redis.get(KEY) == b"{ a }"


async def test_a_document_has_a_lifetime(gateways: Gateways, redis: Redis) -> None:
    """A document expires, later after each use."""
    await redis.set(KEY, "{ a }", px=10_000)
    assert await outcome(gateways.make(), by_hash("{ a }")) == {"a": 1}
    assert 10_000 < await redis.pttl(KEY) <= 60_000


async def test_only_valid_documents_are_stored(gateways: Gateways, redis: Redis) -> None:
    """A text that is refused is not stored; a hash that can be none is not asked for."""
    gateway = gateways.make()
    assert await outcome(gateway, registering("{ unknown }")) == "GRAPHQL_VALIDATION_FAILED"
    assert await outcome(gateway, registering("{ a }", "x\r\nFLUSHALL")) == "PERSISTED_QUERY_HASH_MISMATCH"
    await gateway.close()
    assert await redis.keys() == []
    assert await calls(redis, "getex") == 0


@pytest.mark.parametrize("content", ["{ b }", "{ a } ", "", b"\xff\xfe", "x" * 100_000])
async def test_a_text_of_another_hash_is_not_used(gateways: Gateways, redis: Redis, content: Any) -> None:
    """Whoever writes to the server can't make a hash mean another text."""
    await redis.set(KEY, content)
    gateway = gateways.make()
    assert await outcome(gateway, by_hash("{ a }")) == UNKNOWN
    assert await outcome(gateway, registering("{ a }")) == {"a": 1}
    assert await outcome(gateway, by_hash("{ a }")) == {"a": 1}
    await gateway.close()
    assert await redis.get(KEY) == b"{ a }"


async def test_a_key_of_another_type(gateways: Gateways, redis: Redis) -> None:
    """An error of the server is a failure of the store, not of the request."""
    await redis.lpush(KEY, "x")
    assert await outcome(gateways.make(), by_hash("{ a }")) == UNKNOWN
    assert [type(one) for one in gateways.facts] == [RedisFailed]


@contextmanager
def paused(server: ValkeyServer) -> Iterator[None]:
    """Stop the server's process for a while: it accepts connections and replies nothing."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


async def test_a_server_that_does_not_reply(gateways: Gateways, server: ValkeyServer) -> None:
    """Requests go on; after a failure the server is left alone for a while; then it is used again."""
    gateway = gateways.make(timeout=0.05)
    assert await outcome(gateway, by_hash("{ b }")) == UNKNOWN
    with paused(server):
        assert await outcome(gateway, by_hash("{ a }")) == UNKNOWN
        assert await outcome(gateway, registering("{ a }")) == {"a": 1}
        assert await outcome(gateway, by_hash("{ a }")) == {"a": 1}
        found = await asyncio.gather(*(outcome(gateway, by_hash(f"{{ a{one} }}")) for one in range(50)))
        assert found == [UNKNOWN] * 50
        assert store_of(gateway).writes == set()  # the pause
    assert gateways.facts == [RedisFailed("TimeoutError: no reply within 0.05 seconds")]
    await gateways.clock.advance(PAUSE)
    again = gateways.make()
    assert await outcome(again, registering("{ b }")) == {"b": 2}
    await gateways.until_known("{ b }")


async def test_many_requests_while_the_server_hangs(
    gateways: Gateways, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writes in progress are limited, every request is answered, and failures are reported rarely."""
    monkeypatch.setattr(redis_store, "MAX_WRITES", 5)
    gateway = gateways.make(timeout=2.0)
    texts = [f"query Q{number} {{ a }}" for number in range(40)]
    with paused(server):
        assert [await outcome(gateway, registering(text)) for text in texts] == [{"a": 1}] * 40
        assert len(store_of(gateway).writes) == 5
        unknown = (outcome(gateway, by_hash(f"query X{number} {{ a }}")) for number in range(40))
        assert await asyncio.gather(*unknown) == [UNKNOWN] * 40
        await asyncio.wait(store_of(gateway).writes or {asyncio.ensure_future(asyncio.sleep(0))})
    assert store_of(gateway).writes == set()
    assert len(gateways.facts) == 1


def store_of(gateway: Gateway) -> RedisStore:
    """Return the shared store of a gateway."""
    (guard,) = (one for one in gateway.guards.all if isinstance(one, RegistrationGuard))
    assert isinstance(guard.automatic.shared, RedisStore)
    return guard.automatic.shared


async def test_a_server_that_is_away(gateways: Gateways) -> None:
    """Without a server documents are registered in memory; a wrong password is not in the message."""
    facts = gateways.facts
    for url, words in (
        ("redis://127.0.0.1:1/0", "Connect call failed"),
        (gateways.url.replace("redis://:", "redis://:wrong-"), "invalid username-password"),
    ):
        gateways.url = url
        gateway = gateways.make()
        assert await outcome(gateway, by_hash("{ a }")) == UNKNOWN
        assert await outcome(gateway, registering("{ a }")) == {"a": 1}
        assert await outcome(gateway, by_hash("{ a }")) == {"a": 1}
        assert words in facts[-1].message
        assert "wrong-" not in facts[-1].message


async def test_a_server_that_starts_again(servers_folder: Path) -> None:
    """When the server is there again, at the same address, the store uses it."""
    folder = servers_folder / "documents-again"
    server = start_valkey(folder, durable=False)
    async with AsyncExitStack() as stack:
        gateways = Gateways(server.url, stack)
        gateway = gateways.make()
        assert await outcome(gateway, by_hash("{ a }")) == UNKNOWN
        server.stop()
        assert await outcome(gateway, by_hash("{ a }")) == UNKNOWN
        server = start_valkey(folder, durable=False)
        stack.callback(server.stop)
        await gateways.clock.advance(PAUSE)
        assert await outcome(gateway, registering("{ a }")) == {"a": 1}
        await gateways.until_known("{ a }")
    assert [type(one) for one in gateways.facts] == [RedisFailed, RedisReturned]


@pytest.mark.parametrize("url", ["http://:secret@x", "secret", "", "redis://:secret@x:port/0"])
def test_a_url_of_no_redis(url: str) -> None:
    """A wrong URL is a mistake in the settings, and its message has no password."""
    with pytest.raises(SettingsError, match="expected redis://") as raised:
        gateway_of(SETTINGS, redis=redis_at(url))
    assert "secret" not in raised.value.message


def test_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the optional package is not installed, the message names the extra."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(SettingsError, match=r"mussikon\[redis\]"):
        gateway_of(SETTINGS, redis=redis_at("redis://127.0.0.1:1/0"))


async def test_closing(gateways: Gateways, redis: Redis) -> None:
    """Closing a gateway waits for what it writes, and leaves no connection."""
    gateway = gateways.make()
    assert any(isinstance(one, DocumentGuard) for one in gateway.guards.all)
    assert await outcome(gateway, registering("{ a }")) == {"a": 1}
    await gateway.close()
    assert await redis.get(KEY) == b"{ a }"
    own = await redis.client_id()
    assert [one["id"] for one in await redis.client_list()] == [str(own)]
    assert await outcome(gateway, by_hash("{ b }")) == UNKNOWN
    assert [one["id"] for one in await redis.client_list()] == [str(own)], "none is opened again"
