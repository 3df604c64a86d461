"""The link to Redis: one for all guards of a gateway, with limits on connections and on waiting."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from gateway.app import create_gateway
from gateway.core.errors import SettingsError
from gateway.guards.documents import RegistrationGuard
from gateway.guards.identity import IdentityGuard
from gateway.guards.rates import RateGuard
from gateway.observe.facts import Fact, RedisFailed
from gateway.observe.observer import Observer
from gateway.security.redis_link import CONNECTIONS, RedisLink, RedisUnavailable
from gateway.settings import (
    AuthenticationSettings,
    AutomaticDocumentSettings,
    DocumentSettings,
    IssuerSettings,
    RateRule,
    RateSettings,
    RedisSettings,
    RevocationSettings,
    Secret,
    Settings,
)
from tests.gateway.support import supergraph_of

SDL = "type Query { a: Int }"


async def test_commands_share_the_connections(redis_url: str) -> None:
    """More commands than connections wait for each other."""
    link = RedisLink(RedisSettings(Secret(redis_url), timeout=20.0), Observer())
    found = await asyncio.gather(*(link.run(lambda redis: redis.echo("a")) for _ in range(CONNECTIONS * 3)))
    assert found == [b"a"] * CONNECTIONS * 3
    clients: Any = await link.run(lambda redis: redis.info("clients"))
    assert clients["connected_clients"] <= CONNECTIONS
    await link.close()


async def test_a_command_has_one_time_limit() -> None:
    """A server that accepts the connection and replies nothing costs one timeout; the next command none."""
    facts: list[Fact] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        link = RedisLink(RedisSettings(Secret(url)), Observer([facts.append]))
        for _ in range(2):
            with pytest.raises(RedisUnavailable):
                await link.run(lambda redis: redis.get("a"))
        await link.close()
    assert facts == [RedisFailed("TimeoutError: no reply within 0.05 seconds")]


async def test_closing_waits_for_commands(redis_url: str) -> None:
    """A command in progress ends; a later one is not sent."""
    link = RedisLink(RedisSettings(Secret(redis_url), timeout=20.0), Observer())
    waiting = asyncio.ensure_future(link.run(lambda redis: redis.blpop(["test-link:none"], timeout=0.2)))
    await asyncio.sleep(0.05)
    await link.close()
    assert waiting.done() and waiting.result() is None
    with pytest.raises(RedisUnavailable):
        await link.run(lambda redis: redis.get("a"))


def settings_with_redis(folder: Path, url: str | None) -> Settings:
    """Return settings with which all guards that can use Redis do so."""
    keys = folder / "keys.json"
    keys.write_text(json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}))
    return Settings(
        authentication=AuthenticationSettings((IssuerSettings("main", jwks_file=str(keys)),)),
        revocation=RevocationSettings(enabled=True),
        rates=RateSettings((RateRule("all", requests=1),), "redis"),
        documents=DocumentSettings(automatic=AutomaticDocumentSettings(enabled=True, store="redis")),
        redis=RedisSettings(Secret(url) if url is not None else None),
    )


async def test_guards_share_one_link(tmp_path: Path) -> None:
    """Tokens, rates and documents use one link; closing the gateway closes it."""
    gateway = create_gateway(
        supergraph_of({"s": SDL}), settings_with_redis(tmp_path, "redis://127.0.0.1:1/0"), {}
    )
    links: list[Any] = []
    for guard in gateway.guards.all:
        inside: Any = guard
        if isinstance(guard, IdentityGuard):
            links.append(inside.authenticator.revocations.link)
        elif isinstance(guard, RateGuard):
            links.append(inside.rates.link)
        elif isinstance(guard, RegistrationGuard):
            links.append(inside.automatic.shared.link)
    assert len(links) == 3 and len(set(map(id, links))) == 1
    await gateway.close()
    assert links[0].is_paused


def test_without_a_server(tmp_path: Path) -> None:
    """Settings that ask for Redis without its URL are refused."""
    with pytest.raises(SettingsError, match=r"expected redis\.url"):
        create_gateway(supergraph_of({"s": SDL}), settings_with_redis(tmp_path, None), {})
