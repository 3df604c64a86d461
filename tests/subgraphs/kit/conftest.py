"""A street for the tests of the queue."""

from collections.abc import AsyncIterator

import pytest

from tests.subgraphs.kit.queue.street import Street, street_of


@pytest.fixture
async def street(postgres_url: str, queue_url: str) -> AsyncIterator[Street]:
    """A street with an empty queue."""
    async with street_of(postgres_url, queue_url) as street:
        await street.queue.redis.flushdb()
        yield street
