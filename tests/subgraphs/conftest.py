"""Fixtures of the services' tests: keys, an empty queue, and services that run with all their parts."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis import Redis
from sqlalchemy import make_url

from subgraphs.kit.serve import guarded
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import Bootstrap, Running, SigningKeys, fresh_database
from subgraphs.platform.tables import SERVICES

_numbers = itertools.cycle(range(1, 16))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    """The keys that sign and verify the tokens of these tests."""
    return SigningKeys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def queue_url(redis_url: str) -> Iterator[str]:
    """An empty database of the Valkey server for one module of tests."""
    url = make_url(redis_url).set(database=str(next(_numbers))).render_as_string(hide_password=False)
    with Redis.from_url(url) as redis:
        redis.flushdb()
    yield url


@pytest.fixture(scope="module")
def running(postgres_url: str, queue_url: str, keys: SigningKeys) -> Running:
    """A function that runs a service with its relay and inbox on a fresh database."""

    @asynccontextmanager
    async def run(name: str, bootstrap: Bootstrap) -> AsyncIterator[Service]:
        async with fresh_database(postgres_url, name) as url:
            settings = ServiceSettings(
                name, url, queue_url, keys.public, keys.private, event_sources=SERVICES.others(name)
            )
            service = guarded(bootstrap)(settings)
            await service.start()
            try:
                yield service
            finally:
                await service.stop()

    return run
