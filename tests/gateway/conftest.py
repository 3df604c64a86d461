"""A check after every gateway test: all requests to subgraphs were valid."""

from collections.abc import Iterator

import pytest

from tests.gateway.support import INVALID_REQUESTS


@pytest.fixture(autouse=True)
def valid_requests() -> Iterator[None]:
    """Check that each request that the test's engines sent is valid for the subgraph's SDL."""
    INVALID_REQUESTS.clear()
    yield
    assert INVALID_REQUESTS == []
