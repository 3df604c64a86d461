"""Fixture of the queue's tests: a publishing and a consuming service."""

from collections.abc import AsyncIterator

import pytest

from tests.subgraphs.kit.queue.service_pair import ServicePair, service_pair_of


@pytest.fixture
async def pair(postgres_url: str, queue_url: str) -> AsyncIterator[ServicePair]:
    """A publisher and a consumer with an empty queue."""
    async with service_pair_of(postgres_url, queue_url) as pair:
        await pair.queue.redis.flushdb()
        yield pair
