"""Tests of the running service: each event is applied once, rebuilds run beside queries, and admins see
states.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from gateway.transport.fake import FakeTransport
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection import apply_next
from subgraphs.kit.event_store.rebuild import rebuild
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.platform.valkey import start_valkey
from subgraphs.read_side.app import MIGRATIONS, MODELS, bootstrap
from subgraphs.read_side.model import Latencies, judge
from subgraphs.read_side.projections.musicians import MusiciansProjection
from tests.subgraphs.read_side.conftest import EventFeed, Start, caught_up, send, until, write

LIST = """{ musicians(first: 100, orderBy: RATING) {
    totalCount edges { node { stageName rating totalReviews } } } }"""
STATES = """{ readModels { name state reason generation revision rows
    eventsApplied eventsBehind secondsBehind updatedAt
    latency { events p50Ms p95Ms p99Ms } rebuild { generation eventsApplied eventsBehind } } }"""
REBUILD = """mutation($name: String!, $key: String) { rebuildReadModel(name: $name, idempotencyKey: $key) {
    readModel { name state rebuild { generation } } userErrors { code field message } } }"""


@pytest.fixture
async def url(postgres_url: str) -> AsyncIterator[str]:
    """A database for the read side."""
    async with fresh_database(postgres_url, "read_side") as url:
        yield url


@pytest.fixture
def admin(keys: SigningKeys) -> ApiUser:
    """An admin."""
    return ApiUser.make(keys, "admin")


def crowd(musicians: int = 30, reviews: int = 4) -> EventFeed:
    """Musicians with reviews."""
    world = EventFeed()
    for number in range(musicians):
        musician, user = uuid4(), uuid4()
        world.user(user, f"user{number}")
        world.profile(musician, user, stage_name=f"Band {number:03}")
        for _ in range(reviews):
            world.review(musician, 1 + number % 5)
    return world


async def settled(client: Client, events: int) -> None:
    """Wait until this number of events is in the log and in the tables."""
    counted = text("SELECT count(*) FROM every_event")

    async def done() -> bool:
        return await client.service.database.fetch_value(counted) == events and await caught_up(
            client.service
        )

    await until(done, 40)


async def state(client: Client, admin: ApiUser, name: str) -> dict[str, Any]:
    """Return the state of a read model, as admins see it."""
    found = (await client.data(STATES, admin))["readModels"]
    return next(dict(one) for one in found if one["name"] == name)


async def test_each_event_once(start: Start, redis: Any, url: str, admin: ApiUser) -> None:
    """Events that are delivered again, before and after the service was killed, count once."""
    world = crowd()
    third = len(world.events) // 3
    async with start(url) as client:
        await send(redis, world.events[:third])
        await settled(client, third)
    dead = Database(url)
    for model in MODELS:
        await write(dead, world.events[third : third + 20])
        with suppress(ZeroDivisionError):
            async with UnitOfWork(dead) as uow:
                assert await apply_next(uow, model(), 7) == 7
                raise ZeroDivisionError
    await dead.close()
    async with start(url) as client:
        await send(redis, world.events)
        await settled(client, len(world.events))
        found = (await client.data(LIST))["musicians"]
        assert (found["totalCount"], len(found["edges"])) == (30, 30)
        assert {edge["node"]["totalReviews"] for edge in found["edges"]} == {4}
        assert [edge["node"]["rating"] for edge in found["edges"][:6]] == [5.0] * 6

        async def seen_whole() -> bool:
            one = await state(client, admin, "musicians")
            return (one["eventsApplied"], one["eventsBehind"], one["rows"]) == (len(world.events), 0, 30)

        await until(seen_whole)
        seen = await state(client, admin, "musicians")
        assert 0 < seen["latency"]["events"] <= len(world.events)
        assert await redis.xlen("events:read_side:dead") == 0


async def test_a_rebuild_beside_queries(start: Start, redis: Any, url: str, admin: ApiUser) -> None:
    """During a rebuild every response is complete and from the read model; new events are in the new tables,
    too.
    """
    world, late = crowd(100), EventFeed(5000)
    async with start(url) as client:
        database = client.service.database
        await write(database, world.events)
        await settled(client, len(world.events))
        before = await client.data(LIST)
        answers: list[dict[str, Any]] = []

        async def query() -> None:
            while True:
                answers.append(await client.send(LIST))

        querying = asyncio.create_task(query())
        made = (await client.data(REBUILD, admin, name="musicians"))["rebuildReadModel"]["readModel"]
        assert made["name"] == "musicians"
        late.request(uuid4(), uuid4())
        await send(redis, late.events)

        async def swapped() -> bool:
            seen = await state(client, admin, "musicians")
            return bool(seen["generation"] == 2 and seen["rebuild"] is None)

        await until(swapped)
        querying.cancel()
        await asyncio.wait([querying])
        assert len(answers) > 3
        assert all(answer["data"] == before and "errors" not in answer for answer in answers)
        assert {answer["extensions"]["readModel"]["musicians"]["source"] for answer in answers} == {
            "read_model"
        }
        assert await database.fetch_value(text("SELECT to_regclass('musician_read_model_g1')")) is None
        assert len((await client.data("{ topMusicians(first: 5) { stageName } }"))["topMusicians"]) == 0
        await settled(client, len(world.events) + 1)
        assert (await client.data("{ requests { totalCount } }"))["requests"]["totalCount"] == 1


async def test_one_rebuild_at_a_time(start: Start, url: str, admin: ApiUser) -> None:
    """A second rebuild of the same model is refused with a code, also if another process runs the first;
    admins see its progress.
    """
    async with start(url) as client:
        database = client.service.database
        await write(database, crowd().events)
        holder = await database.listener()
        await holder.execute(
            "BEGIN; SELECT 1 FROM projection_checkpoints WHERE name = 'musicians' FOR UPDATE"
        )
        begun = (await client.data(REBUILD, admin, name="musicians"))["rebuildReadModel"]["readModel"]
        assert (begun["state"], begun["rebuild"]) == ("REBUILDING", {"generation": 2})
        assert await client.codes(REBUILD, admin, name="musicians") == ["REBUILD_RUNNING"]
        lock = "SELECT pg_advisory_lock(hashtextextended('rebuild requests', 0))"
        await holder.execute(lock)
        assert await client.codes(REBUILD, admin, name="requests") == ["REBUILD_RUNNING"]
        assert await client.codes(REBUILD, admin, name="no such") == ["NOT_FOUND"]
        await holder.close()

        async def swapped() -> bool:
            return bool((await state(client, admin, "musicians"))["generation"] == 2)

        await until(swapped)
        assert await client.codes(REBUILD, admin, name="requests") == []


async def test_a_rebuild_sent_again(start: Start, url: str, admin: ApiUser) -> None:
    """A rebuild that is sent again with its key is started once; a refused one can be sent again."""
    async with start(url) as client:
        await write(client.service.database, crowd(3).events)
        assert await client.mistakes(REBUILD, admin, name="no such", key="a") == [("NOT_FOUND", None)]
        assert await client.mistakes(REBUILD, admin, name="no such", key="a") == [("NOT_FOUND", None)]

        async def swapped() -> bool:
            return bool((await state(client, admin, "musicians"))["generation"] == 2)

        assert await client.mistakes(REBUILD, admin, name="musicians", key="b") == []
        await until(swapped)
        again = (await client.data(REBUILD, admin, name="musicians", key="b"))["rebuildReadModel"]
        assert again["readModel"] == {"name": "musicians", "state": "SERVING", "rebuild": None}
        other = await client.mistakes(REBUILD, admin, name="requests", key="b")
        assert [code for code, _ in other] == ["IDEMPOTENCY_KEY_REUSED"]
        assert await client.mistakes(REBUILD, admin, name="x" * 41) == [("BAD_USER_INPUT", "name")]
        assert (await state(client, admin, "musicians"))["generation"] == 2


async def test_a_rebuild_that_was_cut_off(start: Start, url: str, admin: ApiUser) -> None:
    """The next start of the service resumes an interrupted rebuild, and rebuilds tables of an older
    revision.
    """
    world = crowd()
    database = Database(url)
    await database.migrate(MIGRATIONS)
    await write(database, world.events)

    class Cut(MusiciansProjection):
        async def apply(self, uow: UnitOfWork, events: Any, generation: int) -> int:
            """Fail in the second batch of the generation that a rebuild fills."""
            if generation == 2 and events[0].cursor.position > 50:
                raise ZeroDivisionError
            return await super().apply(uow, events, generation)

    with pytest.raises(ZeroDivisionError):
        await rebuild(database, Cut(), batch=50)
    older = "UPDATE projection_checkpoints SET revision = 0 WHERE name = 'requests'"
    async with UnitOfWork(database) as uow:
        for model in MODELS[1:]:
            await apply_next(uow, model())
        await uow.execute(text(older))
    await database.close()
    async with start(url) as client:

        async def swapped() -> bool:
            found = [await state(client, admin, name) for name in ("musicians", "requests")]
            return [(one["generation"], one["rebuild"], one["revision"]) for one in found] == [
                (2, None, 1)
            ] * 2

        await until(swapped)
        await settled(client, len(world.events))
        found = (await client.data(LIST))["musicians"]["edges"]
        assert {edge["node"]["totalReviews"] for edge in found} == {4}
        assert len(found) == 30


async def test_what_admins_see(start: Start, redis: Any, url: str, admin: ApiUser) -> None:
    """Each read model has its lag, and the latencies of the newest events."""
    world = EventFeed()
    world.profile(uuid4(), UUID(int=7))
    async with start(url) as client:
        empty = (await client.data(STATES, admin))["readModels"]
        assert [(one["name"], one["state"], one["rows"]) for one in empty] == [
            *(("musicians", "SERVING", 0), ("requests", "SERVING", 0), ("matching", "SERVING", 0))
        ]
        assert empty[0]["latency"] == {"events": 0, "p50Ms": None, "p95Ms": None, "p99Ms": None}
        await send(redis, world.events)
        await settled(client, 1)
        await client.service.database.execute(text("SELECT 1"))

        async def seen() -> bool:
            return bool((await state(client, admin, "musicians"))["eventsApplied"] == 1)

        await until(seen)
        one = await state(client, admin, "musicians")
        assert (one["rows"], one["eventsBehind"], one["generation"], one["revision"]) == (1, 0, 1, 1)
        assert one["latency"]["events"] == 1
        assert one["latency"]["p50Ms"] == one["latency"]["p99Ms"] > 0
        assert (await state(client, admin, "matching"))["latency"]["events"] == 0


async def test_the_queue_is_gone(servers_folder: Path, url: str, keys: SigningKeys) -> None:
    """While the queue's server is down, the read models are not fresh."""
    folder = servers_folder / f"queue-{uuid4().hex[:6]}"
    valkey = start_valkey(folder, durable=False)
    settings = ServiceSettings("read_side", url, valkey.url, keys.public)
    service = bootstrap(settings, FakeTransport(lambda _: {}), 1.0)
    client = Client(service)

    async def trusted() -> bool:
        return await client.codes("{ topMusicians { stageName } }") == []

    async def refused() -> bool:
        return await client.codes("{ topMusicians { stageName } }") == ["READ_MODEL_UNAVAILABLE"]

    await service.start()
    try:
        assert await trusted()
        valkey.stop()
        await until(refused)
        answer = await client.send("{ topMusicians { stageName } }")
        assert "could not be read" in answer["extensions"]["readModel"]["topMusicians"]["reason"]
        valkey = start_valkey(folder, durable=False)
        await until(trusted)
    finally:
        await service.stop()
        valkey.stop()


def test_percentiles() -> None:
    """A percentile is the nearest rank among the newest thousand latencies."""
    latencies = Latencies()
    assert latencies.percentiles((50,)) == [None]
    for number in range(1, 1201):
        latencies.add(number)
    assert len(latencies) == 1000
    assert latencies.percentiles((50, 95, 99, 100)) == [700, 1150, 1190, 1200]
    latencies.add(-5)
    assert latencies.percentiles((0.1,)) == [0]


def test_judging() -> None:
    """A read model is fresh up to the threshold, for log and queue, and only with the code's revision."""
    assert judge(4.9, 4.9, True, 5).trusted
    assert judge(1, 3, True, 5).seconds == 3
    for verdict in (judge(5.1, 0, True, 5), judge(0, 5.1, True, 5), judge(0, 0, False, 5)):
        assert not verdict.trusted
        assert verdict.reason
