"""What the tests of sinks share."""

from collections.abc import AsyncIterator

import pytest

from subgraphs.kit.sinks.target import SinkTarget
from subgraphs.kit.testing import Keys, fresh_database
from tests.subgraphs.kit.queue.street import Street
from tests.subgraphs.kit.sinks.bells import Bells, bells_of


@pytest.fixture
async def bells(street: Street, target: SinkTarget, keys: Keys, postgres_url: str) -> AsyncIterator[Bells]:
    """A tower, and a sink over the module's target."""
    async with (
        fresh_database(postgres_url, "sync") as sync_url,
        bells_of(street, target, keys, sync_url) as bells,
    ):
        yield bells
