"""Workers of one host that end: who goes on with their streams, and how often others ask them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.clock import run_ready_callbacks
from gateway.core.errors import RequestError
from gateway.core.streams import SERVER_CLOSED, PartSink, Subscribed, end_with
from gateway.subscribe.fan_out import FanOut, Member
from gateway.subscribe.remote_execution import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOVED,
    OWNERS,
    RemoteExecution,
)
from gateway.subscribe.workers import Workers
from tests.gateway.http.sockets import until
from tests.gateway.subscribe.live import Live, Received

REFUSED = end_with([RequestError("the process ends", SERVER_CLOSED).formatted()])


class Pair:
    """Two workers: `asker` has the client, `owner` owns the key of its subscription.

    `asked`: the names of the workers that were asked for the stream, one for each time.
    """

    def __init__(self, folder: Path) -> None:
        self.asker, self.owner = Live(), Live()
        self.asked: list[str] = []
        for name, live in (("asker.sock", self.asker), ("owner.sock", self.owner)):
            workers = live.gateway.hub.workers = Workers(folder, self.asker.clock)
            workers.name = name

    @staticmethod
    def workers(live: Live) -> Workers:
        """Return what a gateway knows of the workers."""
        assert live.gateway.hub.workers is not None
        return live.gateway.hub.workers

    async def start(self) -> None:
        """Let both listen, and record who is asked."""
        for live in (self.asker, self.owner):
            workers = self.workers(live)
            await live.gateway.hub.work_with(workers)
            self.watch(workers)

    def watch(self, workers: Workers, refuses: bool = False) -> None:
        """Record the requests for streams at a worker. `refuses`: whether it only says that it ends."""
        ask = workers.opened

        def opened(asked: dict[str, Any], sink: PartSink) -> Subscribed:
            self.asked.append(workers.name)
            if not refuses:
                assert ask is not None
                return ask(asked, sink)
            self.asker.clock.call_soon(sink.ended, REFUSED)
            return Member(FanOut(self.asker.clock, Nobody()), sink)

        workers.opened = opened

    async def subscribe(self) -> Received:
        """Subscribe at the asker to something that the owner owns."""
        workers = self.workers(self.asker)
        for number in range(100):
            client = await self.asker.subscribe(id=str(number))
            (group,) = self.asker.gateway.hub.all_groups
            if workers.owner(group.planned.route) == "owner.sock":
                return client
            client.leave()
        raise AssertionError("no key has this owner")


class Nobody:
    """The owner of a stream without receivers."""

    def emptied(self) -> None:
        """Do nothing."""

    def over(self) -> None:
        """Do nothing."""

    def renew(self, member: Member, context: Any) -> None:
        """Do nothing."""


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Pair]:
    """Yield two workers that listen."""
    found = Pair(folder)
    await found.start()
    try:
        yield found
    finally:
        for live in (found.asker, found.owner):
            await live.gateway.hub.close()
        await run_ready_callbacks()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Yield two workers that listen."""
    async with listening(tmp_path) as found:
        yield found


async def test_an_owner_that_ends(pair: Pair) -> None:
    """The other worker goes on at once; the client learns only that events may be missing."""
    client = await pair.subscribe()
    await until(lambda: len(pair.owner.streams.running) == 1)
    pair.owner.event()
    await until(lambda: client.bodies)
    pair.owner.gateway.hub.end_all()
    await until(lambda: pair.asker.streams.running)
    pair.asker.event(len(pair.asker.streams.opened) - 1, cents=2)
    await until(lambda: len(client.bodies) == 2)
    assert client.bodies[1]["data"] == {"price": {"id": client.bodies[1]["data"]["price"]["id"], "cents": 2}}
    assert client.bodies[1]["extensions"] == {"subscription": {"gap": MOVED}}
    assert pair.asked == ["owner.sock", "asker.sock"]
    assert client.end is None


async def test_an_owner_that_refuses_is_not_asked_again(pair: Pair) -> None:
    """An owner that ends, and whose socket is still there, is asked once, also for other streams."""
    pair.owner.gateway.hub.is_ending = True
    first = await pair.subscribe()
    await until(lambda: pair.asker.streams.running)
    assert pair.asked == ["owner.sock", "asker.sock"]
    assert pair.workers(pair.asker).owner("any key") is None
    await pair.asker.clock.advance(1.5)  # the folder is read again
    assert pair.workers(pair.asker).owner("any key") is None
    assert first.end is None


async def test_owners_that_only_refuse_are_asked_a_few_times(pair: Pair) -> None:
    """If every worker refuses, each is asked after a longer pause, and in the end the client is told to
    subscribe again.
    """
    for live in (pair.asker, pair.owner):
        pair.watch(pair.workers(live), refuses=True)
    client = await pair.subscribe()
    (group,) = pair.asker.gateway.hub.all_groups
    execution = group.execution
    assert isinstance(execution, RemoteExecution)
    await until(lambda: execution.losses == 2)
    assert pair.asked == ["owner.sock", "asker.sock"]
    for times in range(3, OWNERS + 2):
        pause = min(FIRST_PAUSE * 2 ** (times - 3), LONGEST_PAUSE)
        await pair.asker.clock.advance(pause * 0.5)
        assert len(pair.asked) == times - 1
        await pair.asker.clock.advance(pause * 0.6)
        await until(lambda times=times: execution.losses == times)  # type: ignore[misc]
        assert len(pair.asked) == times
    await until(lambda: client.is_over)
    assert client.end is not None
    assert (client.code, client.end.is_temporary) == (SERVER_CLOSED, True)
    await pair.asker.clock.advance(100.0)
    assert len(pair.asked) == OWNERS + 1


async def test_a_client_that_leaves_in_a_pause(pair: Pair) -> None:
    """Nobody is asked any more for a client that has left."""
    for live in (pair.asker, pair.owner):
        pair.watch(pair.workers(live), refuses=True)
    client = await pair.subscribe()
    await until(lambda: len(pair.asked) == 2)
    await run_ready_callbacks(100)
    client.leave()
    await pair.asker.clock.advance(100.0)
    await run_ready_callbacks(100)
    assert len(pair.asked) == 2


async def test_a_worker_that_ends_takes_its_socket_away(pair: Pair, tmp_path: Path) -> None:
    """A worker that begins to end is found by no other; its connections go on until it has ended."""
    workers = pair.workers(pair.owner)
    pair.owner.gateway.hub.end_all()
    assert sorted(os.listdir(tmp_path)) == ["asker.sock"]  # noqa: PTH208 - without blocking calls of pathlib
    assert workers.server is not None
    await pair.asker.clock.advance(1.5)
    assert pair.workers(pair.asker).owner("any key") is None
