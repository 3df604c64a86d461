"""Fixtures of the tests of sagas: a journal in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.saga.postgres import PostgresJournal
from subgraphs.kit.testing import fresh_database


@pytest.fixture(scope="module")
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Yield a connection pool to a database of this module, with the journal's tables."""
    async with fresh_database(postgres_url, "sagas") as url:
        pool = await asyncpg.create_pool(url, min_size=1, max_size=8)
        await asyncio.gather(*(PostgresJournal(pool).create() for _ in range(3)))
        yield pool
        await pool.close()


@pytest.fixture
def journal(pool: asyncpg.Pool) -> PostgresJournal:
    """Return the journal."""
    return PostgresJournal(pool)
