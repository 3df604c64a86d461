"""Broken streams are opened again: which ones, when, from where, and what the subscriber learns."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.core.clock import FakeClock
from gateway.core.errors import SubgraphError
from gateway.settings import SubgraphSubscriptions
from gateway.transport.base import Handle, call_for
from gateway.transport.fake_streams import FakeStream, FakeStreams
from gateway.transport.reconnecting import FIRST_PAUSE, ReconnectingStreams, pause_before
from tests.gateway.transport.streaming import Recorder

BODY = b'{"data":{"x":1}}'


def error(code: str = "SUBGRAPH_UNREACHABLE", **extensions: Any) -> SubgraphError:
    """Return an error of a stream."""
    return SubgraphError("broke the connection", code, subgraph="a", extensions=extensions)


class Rig:
    """One stream over a source that the test breaks. `chance`: what random numbers are."""

    def __init__(self, attempts: int = 10, max_pause: float = 30.0, resuming: bool = False) -> None:
        self.clock = FakeClock()
        self.source = FakeStreams(frozenset({"a"} if resuming else ()))
        self.chance = 0.0
        settings = {"a": SubgraphSubscriptions(attempts=attempts, max_pause=max_pause, connect_timeout=5.0)}
        self.streams = ReconnectingStreams(self.source, settings, self.clock, lambda: self.chance)
        self.recorder = Recorder()

    def open(self, after: str | None = None) -> Handle:
        """Open the stream."""
        call = call_for("a", "subscription{x}", timeout=1.0, clock=self.clock)
        return self.streams.open(call, self.recorder, after)

    @property
    def current(self) -> FakeStream:
        """Return the newest inner stream."""
        return self.source.opened[-1]

    @property
    def count(self) -> int:
        """Return how many inner streams were opened."""
        return len(self.source.opened)

    async def pause(self) -> float:
        """Advance the clock until the stream is opened again, or for 2 seconds; return the seconds."""
        before, since = self.count, self.clock.time()
        while self.count == before and self.clock.time() < since + 2:
            await self.clock.advance(0.02)
        return round(self.clock.time() - since, 1)


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A rig with the usual settings."""
    yield Rig()


async def test_a_stream_that_breaks_is_opened_again(rig: Rig) -> None:
    """Its subscriber learns that events may be missing, after it is open."""
    rig.open()
    rig.current.opened()
    rig.current.event(BODY)
    rig.current.failed(error())
    assert rig.recorder.kinds == ["opened", "event"]
    assert await rig.pause() == FIRST_PAUSE
    assert rig.recorder.kinds == ["opened", "event"]
    rig.current.opened()
    rig.current.event(BODY)
    rig.current.completed()
    assert rig.recorder.kinds == ["opened", "event", "opened", "interrupted", "event", "completed"]
    assert rig.recorder.happened[3][1] == "broke the connection"
    await rig.clock.advance(1_000.0)
    assert rig.count == 2


async def test_a_stream_that_was_never_open_fails_at_once(rig: Rig) -> None:
    """Its subscriber waits."""
    rig.open()
    rig.current.failed(error())
    assert rig.recorder.kinds == ["failed"]
    await rig.clock.advance(1_000.0)
    assert rig.count == 1


@pytest.mark.parametrize(
    ("found", "again"),
    [
        (error(), True),
        (error("SUBGRAPH_TIMEOUT"), True),
        (error("SUBGRAPH_UNREACHABLE", closeCode=1001), True),
        (error("SUBGRAPH_TIMEOUT", closeCode=4408), True),
        (error("SUBGRAPH_HTTP_ERROR", status=503), True),
        (error("SUBGRAPH_HTTP_ERROR", status=404), False),
        (error("SUBGRAPH_HTTP_ERROR"), False),
        (error("SUBGRAPH_ERROR", closeCode=4403), False),
        (error("SUBGRAPH_BAD_RESPONSE", closeCode=1002), False),
    ],
)
async def test_which_errors_are_of_the_connection(rig: Rig, found: SubgraphError, again: bool) -> None:
    """The others are passed on: the subgraph has decided, or sends what nobody can read."""
    rig.open()
    rig.current.opened()
    rig.current.failed(found)
    await rig.pause()
    assert rig.count == 1 + again
    assert rig.recorder.kinds == ["opened", *["failed"] * (not again)]


async def test_pauses_double_up_to_the_longest() -> None:
    """Then the last error is passed on."""
    rig = Rig(attempts=6, max_pause=1.0)
    rig.open()
    rig.current.opened()
    pauses = []
    for _ in range(6):
        rig.current.failed(error())
        pauses.append(await rig.pause())
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert rig.recorder.kinds == ["opened"]
    rig.current.failed(last := error("SUBGRAPH_TIMEOUT"))
    assert rig.recorder.error is last
    await rig.clock.advance(1_000.0)
    assert rig.count == 7


@given(some.integers(1, 10_000), some.floats(0.2, 100), some.floats(0, 1))
def test_pauses_are_random(attempt: int, longest: float, chance: float) -> None:
    """At least half as long as without chance, and never longer than the longest."""
    full = pause_before(attempt, longest, 0.0)
    assert full / 2 <= pause_before(attempt, longest, chance) <= full <= longest


async def test_attempts_count_until_the_stream_was_open_for_long() -> None:
    """A subgraph that accepts and breaks at once is not asked for ever; one that restarts each day is."""
    rig = Rig(attempts=2, max_pause=10.0)
    rig.open()
    rig.current.opened()
    for _ in range(5):
        await rig.clock.advance(10.0)
        rig.current.failed(error())
        assert await rig.pause() == 0.1
        rig.current.opened()
    rig.current.failed(error())
    assert await rig.pause() == 0.2
    rig.current.opened()
    rig.current.failed(error())
    assert rig.recorder.kinds[-1] == "failed"


async def test_no_attempts() -> None:
    """A setting of 0 switches them off."""
    rig = Rig(attempts=0)
    rig.open()
    rig.current.opened()
    rig.current.failed(error())
    assert rig.recorder.kinds == ["opened", "failed"]


async def test_a_durable_source_goes_on_after_the_last_cursor() -> None:
    """No event is missed then, so that nothing is said about it."""
    rig = Rig(resuming=True)
    rig.open("3")
    assert rig.current.after == "3"
    rig.current.opened()
    rig.current.interrupted("an old cursor")
    rig.current.event(BODY, "4")
    rig.current.caught_up()
    rig.current.event(BODY)
    rig.current.failed(error())
    await rig.pause()
    assert rig.current.after == "4"
    rig.current.opened()
    rig.current.event(BODY, "5")
    first, *rest = rig.recorder.kinds
    assert first == "opened"
    assert rest == ["interrupted", "event", "caught up", "event", "opened", "event"]


@pytest.mark.parametrize(("resuming", "cursor"), [(True, None), (False, "4")])
async def test_events_are_missed_without_a_cursor_or_a_durable_source(
    resuming: bool, cursor: str | None
) -> None:
    """The subscriber learns it."""
    rig = Rig(resuming=resuming)
    rig.open()
    rig.current.opened()
    rig.current.event(BODY, cursor)
    rig.current.failed(error())
    await rig.pause()
    rig.current.opened()
    assert rig.recorder.kinds[-1] == "interrupted"


async def test_a_source_that_only_sends_events_is_open_by_the_first(rig: Rig) -> None:
    """Also when it is opened again."""
    rig.open()
    rig.current.event(BODY)
    rig.current.failed(error())
    await rig.pause()
    rig.current.event(BODY)
    assert rig.recorder.kinds == ["opened", "event", "opened", "interrupted", "event"]


async def test_the_deadline_of_another_attempt(rig: Rig) -> None:
    """It is the setting's; that of the call has passed."""
    rig.open()
    rig.current.opened()
    await rig.clock.advance(100.0)
    rig.current.failed(error())
    await rig.pause()
    assert rig.current.call.deadline == pytest.approx(rig.clock.time() + 5.0, abs=0.1)


async def test_cancelling_an_open_stream(rig: Rig) -> None:
    """The inner one is cancelled."""
    rig.open().cancel()
    assert rig.current.is_cancelled
    assert rig.recorder.happened == []


async def test_cancelling_in_a_pause(rig: Rig) -> None:
    """The stream is not opened again."""
    handle = rig.open()
    rig.current.opened()
    rig.current.failed(error())
    handle.cancel()
    await rig.clock.advance(1_000.0)
    assert rig.count == 1
    assert rig.recorder.kinds == ["opened"]


async def test_cancelling_after_a_pause(rig: Rig) -> None:
    """The newest inner stream is cancelled."""
    handle = rig.open()
    rig.current.opened()
    rig.current.failed(error())
    await rig.pause()
    handle.cancel()
    assert [one.is_cancelled for one in rig.source.opened] == [False, True]
