"""Tests of the read side in the whole platform: the gateway forwards its extensions, and it queries the
command side at the configured URLs.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from tests.system.conftest import Platform

pytestmark = pytest.mark.system
LISTS = """{ musicians(first: 5, orderBy: RATE_ASC) { totalCount edges { node {
    id stageName hourlyRate { amount currency } rating totalReviews location { city } skills { name } } } }
  requests(first: 5, orderBy: NEWEST, filter: {status: [OPEN]}) {
    totalCount edges { totalApplications node { id title startsAt client { username } } } } }"""


def answer_from(platform: Platform, source: str, token: str) -> dict[str, Any]:
    """Return the data of both lists when both come from this source; wait up to thirty seconds."""
    answer: dict[str, Any] = {}
    for _ in range(300):
        answer = platform.post(LISTS, token=token)
        told = answer.get("extensions", {}).get("readModel", {})
        if [told[name]["source"] for name in ("musicians", "requests") if name in told] == [source] * 2:
            assert "errors" not in answer, answer["errors"]
            data: dict[str, Any] = answer["data"]
            return data
        time.sleep(0.1)
    raise AssertionError(json.dumps(answer))


@contextmanager
def closed(platform: Platform) -> Iterator[None]:
    """The read side's database refuses connections while the `with` block runs."""

    async def order(*statements: str) -> None:
        folder = platform.data / "postgres"
        password, port = ((folder / name).read_text().strip() for name in ("password", "port"))
        connection = await asyncpg.connect(
            f"postgresql://postgres:{quote(password)}@127.0.0.1:{port}/postgres?sslmode=disable"
        )
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'read_side'"
    asyncio.run(order("ALTER DATABASE read_side ALLOW_CONNECTIONS false", ends))
    try:
        yield
    finally:
        asyncio.run(order("ALTER DATABASE read_side ALLOW_CONNECTIONS true"))


def test_without_the_read_database(platform: Platform) -> None:
    """While the read side's database is down, clients get the same data from the command side, and
    `extensions` says so; afterwards the read model answers.
    """
    token = platform.token("demo_client")
    before = answer_from(platform, "read_model", token)
    assert len(before["musicians"]["edges"]) == len(before["requests"]["edges"]) == 5
    with closed(platform):
        assert answer_from(platform, "command_side", token) == before
        refused = platform.post('{ musicians(filter: {text: "jazz"}) { totalCount } }')
        assert refused["errors"][0]["extensions"]["code"] == "READ_MODEL_UNAVAILABLE"
    assert answer_from(platform, "read_model", token) == before
