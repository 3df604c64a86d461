"""Single connections with several workers: each request reaches the worker that has the connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.clock import SYSTEM_CLOCK, run_ready_callbacks
from gateway.settings import Settings, SubscriptionSettings
from gateway.subscribe.workers import Workers
from tests.gateway.http.raw_clients import RawStream, SseEvent
from tests.gateway.http.single import end, opened, post, reserve
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import COUNT, PRICE, Doors, doors

DATA = {"data": {"price": {"id": "1", "cents": 1}}}


@asynccontextmanager
async def worker(folder: Path, name: str, settings: Settings | None = None) -> AsyncIterator[Doors]:
    """Yield a gateway with a name among others."""
    async with doors(settings) as served:
        workers = Workers(folder, SYSTEM_CLOCK)
        workers.name = name
        served.app.routes.single.work_with(workers)
        await served.gateway.hub.work_with(workers)
        yield served


@asynccontextmanager
async def pair(folder: Path, settings: Settings | None = None) -> AsyncIterator[tuple[Doors, Doors]]:
    """Yield two workers."""
    async with worker(folder, "1.sock", settings) as first, worker(folder, "2.sock", settings) as second:
        yield first, second


def busy(served: Doors) -> bool:
    """Return whether a worker has a connection, or a request of another worker, or one at another worker."""
    door = served.app.routes.single
    assert door.workers is not None
    exchanges = door.workers.exchanges
    return bool(door.connections or exchanges.asked or exchanges.answering)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Doors, Doors]]:
    """Yield two workers; afterwards no request may be under way between them."""
    async with pair(tmp_path) as found:
        yield found
        await until(lambda: not any(map(busy, found)))


async def test_requests_to_another_worker(two: tuple[Doors, Doors]) -> None:
    """The stream, operations and their ends reach the worker with the connection, over any other one."""
    has, other = two
    key = (await reserve(has)).text
    assert key.startswith("1.sock~")
    async with opened(other, key) as stream:
        assert stream.status == 200
        assert (stream.content_type, "x-accel-buffering: no" in stream.head) == (
            "text/event-stream; charset=utf-8",
            True,
        )
        assert (await post(other, key, "a", PRICE)).status == 202
        assert (await post(has, key, "b", "{ y }")).status == 202
        assert await stream.event() == SseEvent("next", {"id": "b", "payload": {"data": {"y": 2}}})
        assert await stream.event() == SseEvent("complete", {"id": "b"})
        found = await post(other, key, "a", COUNT)
        assert (found.status, found.code) == (409, "STREAM_CONFLICT")
        assert (await post(other, key, "c", "{ unknown }")).status == 400
        await until(lambda: has.streams.opened or other.streams.opened)
        owner = has if has.streams.opened else other
        owner.event()
        assert await stream.event() == SseEvent("next", {"id": "a", "payload": DATA})
        assert (await end(other, key, "a")).status == 200
        await until(lambda: not owner.streams.running)
        assert other.app.routes.single.connections == {}


async def test_a_client_that_leaves(two: tuple[Doors, Doors]) -> None:
    """The worker with the connection learns that the client has left the other one."""
    has, other = two
    key = (await reserve(has)).text
    async with opened(other, key) as stream:
        await stream.chunk()
        await post(other, key, "a", PRICE)
        await until(lambda: has.streams.running or other.streams.running)
    await until(lambda: not has.app.routes.single.connections)
    await until(lambda: not (has.streams.running or other.streams.running))
    assert (await post(other, key, "b", "{ y }")).status == 404


async def test_the_worker_with_the_connection_ends(two: tuple[Doors, Doors]) -> None:
    """The stream ends without ends of operations, and the token is unknown from then on."""
    has, other = two
    key = (await reserve(has)).text
    async with opened(other, key) as stream:
        await stream.chunk()
        await post(other, key, "a", PRICE)
        has.app.routes.end_streams()
        assert await stream.whole() == b""
    assert (await post(other, key, "b", "{ y }")).status == 404


async def test_that_worker_is_lost(two: tuple[Doors, Doors]) -> None:
    """If the connection between workers is lost, the stream ends; requests get 404."""
    has, other = two
    key = (await reserve(has)).text
    async with opened(other, key) as stream:
        await stream.chunk()
        workers = other.app.routes.single.workers
        assert workers is not None
        for task in list(workers.links.values()):
            task.result().close()
        assert await stream.whole() == b""
    assert (await post(other, key, "b", "{ y }")).status == 404
    assert (await post(has, key, "b", "{ y }")).status == 404


async def last(stream: RawStream, number: int) -> int:
    """Read until an event with this number; return how many were dropped."""
    dropped, found = 0, -1
    while found < number:
        payload: Any = (await stream.event()).data["payload"]
        dropped += payload.get("extensions", {}).get("subscription", {}).get("dropped", 0)
        found = payload["data"]["price"]["cents"]
    return dropped


async def test_a_client_that_reads_late(tmp_path: Path) -> None:
    """Events wait at the worker with the connection, and are dropped there: nothing piles up between."""
    settings = Settings(subscriptions=SubscriptionSettings(queue=100_000))
    async with pair(tmp_path, settings) as (has, other):
        key = (await reserve(has)).text
        async with opened(other, key, buffer=4_096) as stream:
            await post(other, key, "a", PRICE)
            await until(lambda: has.streams.running or other.streams.running)
            owner = has if has.streams.running else other
            for number in range(60):
                owner.event(id="x" * 10_000, cents=number)
                await run_ready_callbacks()
            (connection,) = has.app.routes.single.connections.values()
            await until(lambda: connection.held)
            await asyncio.sleep(0)
            assert connection.held.size <= 100_000
            assert await last(stream, 59) > 20
