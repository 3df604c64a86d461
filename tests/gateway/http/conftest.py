"""A gateway on sockets, for all tests of a module."""

from collections.abc import AsyncIterator

import pytest

from gateway.settings import Limits, Settings
from tests.gateway.http.sockets import Served, Watched, gone, serving


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[tuple[Served, Served]]:
    """Yield the gateway on the direct path, and the gateway on uvicorn's path."""
    settings = Settings(limits=Limits(body=2_000))
    async with serving(Watched, settings) as direct, serving("httptools", settings) as plain:
        yield direct, plain


@pytest.fixture
async def served(pair: tuple[Served, Served]) -> AsyncIterator[Served]:
    """Yield the gateway on the direct path with its state reset; afterwards no connection may be open."""
    pair[0].subgraph.renew()
    Watched.short = Watched.pieces = 0
    yield pair[0]
    pair[0].subgraph.go.set()
    await gone(pair[0])
