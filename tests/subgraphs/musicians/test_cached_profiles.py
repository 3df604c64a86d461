"""Tests of the cached profiles: who gets which, and how a change reaches all caches."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from gateway.transport.local import LocalTransport
from subgraphs.kit.cache_tags import STREAM, object_tags
from subgraphs.kit.global_ids import encode
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import (
    ApiUser,
    Client,
    Running,
    SigningKeys,
    counted_statements,
    fresh_database,
    load_rows,
)
from subgraphs.musicians import app
from subgraphs.platform.valkey import start_valkey
from tests.folders import temporary_folder
from tests.subgraphs.musicians.test_profiles import UPDATE, make

READ = """query($id: ID!, $force: Boolean! = false) {
    musician(id: $id, forceRefresh: $force) { stageName version } }"""
STAND_IN = "query($id: ID!) { musician(id: $id) { stageName version updatedAt skills { name } } }"
KEY = "7f0e6c54-8a42-4f0b-8a37-1f6d2a4f9b11"
WITHIN = 0.1  # seconds


@pytest.fixture
async def redis(queue_url: str) -> AsyncIterator[Redis]:
    """A connection to the Valkey of the service."""
    client = Redis.from_url(queue_url)
    yield client
    await client.aclose()


async def name_of(client: Client, key: str, person: ApiUser | None = None, **more: Any) -> str:
    """Return the stage name of a musician."""
    found: str = (await client.data(READ, person, id=key, **more))["musician"]["stageName"]
    return found


async def messages(redis: Redis, tag: str) -> list[float]:
    """Return the times of the messages with a tag, in seconds since 1970."""
    rows: Any = await redis.xrange(STREAM)
    return [
        int(number.split(b"-")[0]) / 1000
        for number, fields in rows
        if tag in msgspec.json.decode(fields[b"tags"])
    ]


async def test_a_change_is_in_the_stream_within_100_ms(client: Client, player: ApiUser, redis: Redis) -> None:
    """From the commit to the message; the author reads the change at once."""
    key = (await make(client, player))["uuid"]
    tag, _ = object_tags("Musician", key)
    delays = []
    for number in range(20):
        known = len(await messages(redis, tag))
        await client.data(UPDATE, player, input={"stageName": f"Name {number}"})
        committed = time.time()
        assert await name_of(client, key) == f"Name {number}"
        for _ in range(200):
            if len(found := await messages(redis, tag)) > known:
                delays.append(found[-1] - committed)
                break
            await asyncio.sleep(0.005)
    assert len(delays) == 20
    assert max(delays) < WITHIN


async def test_tags_wait_while_valkey_is_away(postgres_url: str, keys: SigningKeys, player: ApiUser) -> None:
    """A change does not fail; its tags are published when the server returns."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(temporary_folder("mussikon-tags-"))
        url = await stack.enter_async_context(fresh_database(postgres_url, "musicians"))
        valkey = start_valkey(folder, durable=False)
        service = app.bootstrap(ServiceSettings("musicians", url, valkey.url, keys.public))
        await service.start()
        stack.push_async_callback(service.stop)
        key = (await make(Client(service), player))["uuid"]
        valkey.stop()
        await Client(service).data(UPDATE, player, input={"stageName": "Meanwhile"})
        assert await name_of(Client(service), key) == "Meanwhile"
        valkey = start_valkey(folder, durable=False)
        stack.callback(valkey.stop)
        redis = Redis.from_url(valkey.url)
        stack.push_async_callback(redis.aclose)
        for _ in range(500):
            if await messages(redis, object_tags("Musician", key)[0]):
                break
            await asyncio.sleep(0.02)
        assert await messages(redis, "subgraph:musicians")
        assert await messages(redis, object_tags("Musician", key)[0])


async def test_the_second_read_needs_no_database(client: Client, player: ApiUser) -> None:
    """A profile is read once, whatever form its id has, until an event changes it; also by SQL."""
    key = (await make(client, player))["uuid"]
    await asyncio.sleep(0.2)  # until the message of this change has arrived here, too
    await name_of(client, key)
    with counted_statements(client.service.database) as statements:
        await name_of(client, key)
        await name_of(client, str(encode("Musician", key)))
        await client.entities("Musician", [key], "stageName")
    assert statements == []
    renamed = text("UPDATE musician_profiles SET stage_name = 'By hand' WHERE id = :id")
    await client.service.database.execute(renamed.bindparams(id=UUID(key)))
    for _ in range(200):
        if await name_of(client, key) == "By hand":
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_a_forced_refresh_needs_a_token(client: Client, player: ApiUser, host: ApiUser) -> None:
    """It reads the database, and what it finds is cached; without a token the argument is ignored."""
    key = (await make(client, player, stageName="Before"))["uuid"]
    await asyncio.sleep(0.2)
    assert await name_of(client, key) == "Before"
    await load_rows(
        client.service.database, f"UPDATE musician_profiles SET stage_name = 'Unsaid' WHERE id = '{key}'"
    )
    assert await name_of(client, key, force=True) == "Before"
    assert await name_of(client, key, host) == "Before"
    assert await name_of(client, key, host, force=True) == "Unsaid"
    assert await name_of(client, key) == "Unsaid"
    assert await client.data(READ, host, id=str(encode("Musician", host.id)), force=True) == {
        "musician": None
    }


async def test_the_read_side_stands_in(
    running: Running, postgres_url: str, player: ApiUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database does not answer, a profile comes from the cache, else from the read side."""
    monkeypatch.setattr(app, "read_side_transport", lambda _: LocalTransport({"read_side": read_side}))
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running("musicians", app.bootstrap))
        client = Client(service)
        known = (await make(client, player, stageName="Known"))["uuid"]
        await asyncio.sleep(0.2)
        assert await name_of(client, known) == "Known"
        name = service.database.url.rpartition("/")[2].partition("?")[0]
        admin = await stack.enter_async_context(connected(postgres_url))
        await admin.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        assert await name_of(client, known) == "Known"
        found = await client.send(STAND_IN, id=KEY)
        musician = {"stageName": "From afar", "version": 3, "updatedAt": None, "skills": None}
        assert found["data"]["musician"] == musician
        assert [error["path"] for error in found["errors"]] == [["musician", "skills"]]
        missing = await client.send(READ, id=str(player.id))
        assert missing["errors"][0]["extensions"]["code"] == "SERVER_UNAVAILABLE"
        await admin.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
        assert (await client.data(READ, id=KEY))["musician"] is None


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to PostgreSQL."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def read_side(_: str, variables: Mapping[str, Any] | None, *rest: object) -> dict[str, Any]:
    """The read side, which knows one profile."""
    told = {
        "user_id": KEY,
        "stage_name": "From afar",
        "bio": "",
        "hourly_rate": "80.00",
        "currency": "EUR",
        "experience_years": 4,
        "availability_schedule": {},
        "portfolio_urls": [],
        "created_at": "2026-01-01T00:00:00+00:00",
    }
    return {
        "data": {"found": {KEY: {"version": 3, "told": told}} if (variables or {})["ids"] == [KEY] else {}}
    }


async def test_replies_say_whether_they_may_be_stored(client: Client, player: ApiUser, host: ApiUser) -> None:
    """Public replies name the musician as their tag; forced ones and errors are not stored."""
    key = (await make(client, player))["uuid"]
    transport = httpx.ASGITransport(client.service.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://musicians") as http:

        async def control(query: str, person: ApiUser | None = None, **variables: Any) -> tuple[str, Any]:
            body = {"query": query, "variables": variables}
            reply = await http.post("/graphql", json=body, headers=dict(person.headers) if person else {})
            return reply.headers["cache-control"], reply.json().get("extensions")

        tags = {"apolloCacheTags": [f"Musician:{key}"]}
        for form in (key, key.upper(), str(encode("Musician", key))):
            assert await control(READ, id=form) == ("public", tags)
        assert (await control(READ, host, id=key, force=True))[0] == "no-store"
        assert (await control("{ musicianHistory(id: 1) { version } }"))[0] == "no-store"
        assert (await http.get("/health/live")).headers["cache-control"] == "no-store"
