"""Tests of what the read side does for caches: it invalidates lists, and stands in for the musicians."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from gateway.core.errors import SubgraphError
from gateway.transport.local import LocalTransport
from subgraphs.kit.cache_tags import STREAM
from subgraphs.kit.testing import Client
from subgraphs.musicians.cached_profiles import from_read_side
from tests.subgraphs.read_side.conftest import BEGIN, EventFeed, Start, caught_up, send, until, write

LIST = "{ musicians { totalCount edges { node { stageName } } } }"


async def tags(redis: Redis) -> list[str]:
    """Return all tags in the stream of invalidations, in their order."""
    rows: Any = await redis.xrange(STREAM)
    return [tag for _, fields in rows for tag in msgspec.json.decode(fields[b"tags"])]


async def test_lists_are_invalidated_when_they_have_changed(start: Start, redis: Redis) -> None:
    """The message follows the commit of the projection: who then asks gets the new list."""
    world, musician = EventFeed(), uuid4()
    async with start() as client:
        await until(lambda: caught_up(client.service))
        for _ in range(100):
            if "subgraph:read_side" in await tags(redis):
                break
            await asyncio.sleep(0.02)
        assert await tags(redis) == ["subgraph:read_side"]
        world.profile(musician, uuid4(), stage_name="New")
        await send(redis, world.events)
        for _ in range(500):
            if "tag:musician-lists" in await tags(redis):
                break
            await asyncio.sleep(0.01)
        assert (await client.data(LIST))["musicians"]["totalCount"] == 1
        request = EventFeed(position=50)
        request.request(uuid4(), uuid4())
        await send(redis, request.events)
        for _ in range(500):
            if "tag:request-lists" in await tags(redis):
                return
            await asyncio.sleep(0.01)
    raise TimeoutError


async def test_a_reply_of_the_command_side_is_not_stored(start: Start) -> None:
    """Nothing would invalidate it; that of the read model is public."""
    page = {
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    }

    def reply(_: Any) -> Any:
        return {"data": {"found": {**page, "edges": [], "totalCount": 0}}}

    async with start(reply=reply, threshold=-1.0) as client:  # the read models are never fresh enough
        assert await source_and_control(client) == ("command_side", "no-store")
    async with start(reply=reply) as client:
        for _ in range(200):
            found = await source_and_control(client)
            if found[0] == "read_model":
                break
            await asyncio.sleep(0.02)
        assert found == ("read_model", "public")


async def source_and_control(client: Client) -> tuple[str, str]:
    """Return where a list comes from, and its `Cache-Control`."""
    transport = httpx.ASGITransport(client.service.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://read_side") as http:
        reply = await http.post("/graphql", json={"query": LIST})
        source: str = reply.json()["extensions"]["readModel"]["musicians"]["source"]
        return source, reply.headers["cache-control"]


async def test_stored_profiles_stand_in(start: Start) -> None:
    """The facts of a profile's last event; without an answer, an error."""
    world, musician, user = EventFeed(), uuid4(), uuid4()
    world.profile(musician, user)
    world.profile(musician, user, "MusicianProfileUpdated", stage_name="Newer")
    async with start() as client:
        await write(client.service.database, world.events)
        load = from_read_side(LocalTransport({"read_side": client.service.execute}))
        found = await load([musician, uuid4()])
        assert list(found) == [musician]
        one = found[musician]
        assert (one.stage_name, one.version, one.updated_at) == ("Newer", 2, None)
        assert (one.hourly_rate, one.created_at) == (Decimal("85.50"), BEGIN)
        assert one.availability_schedule == {"friday": [{"from": "18:00", "to": "02:00"}]}
        assert isinstance(one.user_id, UUID)
    with pytest.raises(SubgraphError):
        await from_read_side(LocalTransport({"read_side": broken}))([musician])


async def broken(*_: object) -> dict[str, Any]:
    """A read side that does not answer."""
    raise OSError("away")
