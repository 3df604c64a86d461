"""Clocks: FakeClock behaves like SystemClock, but its time moves only when a test advances it."""

import asyncio

import pytest

from gateway.core.clock import SYSTEM_CLOCK, Clock, FakeClock


async def test_timers_fire_in_their_order_at_their_moments() -> None:
    """Each timer fires at its own time, cancelled ones never, and timers set by a callback fire too."""
    clock = FakeClock(start=0.0)
    fired: list[tuple[str, float]] = []

    def fire(name: str) -> None:
        fired.append((name, clock.time()))
        if name == "b":
            clock.call_at(clock.time() + 0.5, fire, "c")

    clock.call_at(3.0, fire, "d")
    clock.call_at(1.0, fire, "a")
    clock.call_at(2.0, fire, "b")
    clock.call_at(2.0, fire, "never").cancel()
    await clock.advance(0.9)
    assert fired == []
    await clock.advance(2.1)
    assert fired == [("a", 1.0), ("b", 2.0), ("c", 2.5), ("d", 3.0)]


async def test_sleepers_wake() -> None:
    """`sleep` returns once the fake clock was advanced far enough; a cancelled `sleep` has no effect."""
    clock = FakeClock()
    sleeper = asyncio.ensure_future(clock.sleep(10))
    gone = asyncio.ensure_future(clock.sleep(10))
    await clock.advance(9.9)
    assert not sleeper.done()
    gone.cancel()
    await clock.advance(0.2)
    assert sleeper.done()


@pytest.mark.parametrize("clock", [SYSTEM_CLOCK, FakeClock()], ids=["system", "fake"])
async def test_both_are_clocks(clock: Clock) -> None:
    """Time never goes back and is not the calendar's time; a call that is due now is made in the next
    turn.
    """
    first = clock.time()
    got: list[int] = []
    clock.call_soon(got.append, 1)
    assert got == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert got == [1]
    assert clock.time() >= first
    assert clock.now() > 1_600_000_000


async def test_the_system_clock_calls_what_is_overdue() -> None:
    """A call for a time in the past is made at once."""
    done = asyncio.Event()
    SYSTEM_CLOCK.call_at(SYSTEM_CLOCK.time() - 5, done.set)
    await asyncio.wait_for(done.wait(), 5)
