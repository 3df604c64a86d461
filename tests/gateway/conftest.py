"""What every test of the gateway has to leave behind: no request that a subgraph would refuse."""

from collections.abc import Iterator

import pytest

from tests.gateway.support import INVALID_REQUESTS


@pytest.fixture(autouse=True)
def valid_requests() -> Iterator[None]:
    """Each request that the test's engines have sent is valid for the subgraph's SDL."""
    INVALID_REQUESTS.clear()
    yield
    assert INVALID_REQUESTS == []
