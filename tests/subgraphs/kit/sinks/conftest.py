"""Fixture of the tests of sinks."""

from collections.abc import AsyncIterator

import pytest

from subgraphs.kit.sinks.target import SinkTarget
from subgraphs.kit.testing import SigningKeys, fresh_database
from tests.subgraphs.kit.queue.service_pair import ServicePair
from tests.subgraphs.kit.sinks.sink_setup import SinkSetup, sink_setup_of


@pytest.fixture
async def setup(
    pair: ServicePair, target: SinkTarget, keys: SigningKeys, postgres_url: str
) -> AsyncIterator[SinkSetup]:
    """A publisher, and a sink that writes to the target of the test's module."""
    async with (
        fresh_database(postgres_url, "sync") as sync_url,
        sink_setup_of(pair, target, keys, sync_url) as setup,
    ):
        yield setup
