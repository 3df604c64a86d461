"""Tests of the clocks, and that nothing else in the services reads the time."""

import ast
import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from subgraphs.kit.clock import SYSTEM_CLOCK, Clock, FakeClock, wait

SOURCES = Path(__file__).parents[3] / "subgraphs"
READS = {"datetime.now", "time.time", "time.monotonic", "asyncio.sleep", "datetime.utcnow", "date.today"}
ALLOWED = {
    "kit/clock.py": "the clocks themselves",
    "kit/serve.py": "looks at its parent, for as long as the process really runs",
    "matching/matcher.py": "lets other tasks run between two rankings",
    "users/pictures/folder.py": "compares with the times of files, which are the machine's",
}
"""Who may read the time otherwise, and why; `platform/` starts processes, whose time is the machine's."""


@pytest.mark.parametrize("clock", [SYSTEM_CLOCK, FakeClock()])
async def test_what_every_clock_does(clock: Clock) -> None:
    """A clock returns the time in UTC, never goes back, and sleeps at least for the given time."""
    before, moment = clock.monotonic(), clock.now()
    sleeping = asyncio.create_task(clock.sleep(0.01))
    if isinstance(clock, FakeClock):
        await clock.wait_for_sleepers()
        await clock.advance(0.01)
    await sleeping
    assert moment.tzinfo is UTC
    assert clock.now() > moment
    assert clock.monotonic() - before >= 0.01
    await clock.sleep(0)


async def test_sleepers_wake_in_order() -> None:
    """Each task wakes at its time, also one that begins to sleep during `advance`; one whose time is later
    sleeps on.
    """
    clock, woken = FakeClock(datetime(2026, 5, 1, tzinfo=UTC)), list[tuple[str, float]]()

    async def sleeper(name: str, *pauses: float) -> None:
        for pause in pauses:
            await clock.sleep(pause)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper("long", 5)), asyncio.create_task(sleeper("short", 1, 1, 1))]
    await clock.wait_for_sleepers(2)
    await clock.advance(2.5)
    assert woken == [("short", 1), ("short", 2)]
    assert clock.now() == datetime(2026, 5, 1, 0, 0, 2, 500_000, tzinfo=UTC)
    await clock.advance(10)
    await asyncio.gather(*tasks)
    assert woken[2:] == [("short", 3), ("long", 5)]


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    """A cancelled task does not count as asleep."""
    clock = FakeClock()
    sleeping = asyncio.create_task(clock.sleep(1))
    await clock.wait_for_sleepers()
    sleeping.cancel()
    await asyncio.wait([sleeping])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clock.wait_for_sleepers(), 0.01)


async def test_waiting_for_an_event() -> None:
    """`wait` returns when the event is set or the time is over, and leaves no task running."""
    clock, event = FakeClock(), asyncio.Event()
    waiting = asyncio.create_task(wait(clock, event, 60))
    await clock.wait_for_sleepers()
    await clock.advance(60)
    assert await waiting is False
    waiting = asyncio.create_task(wait(clock, event, 60))
    await clock.wait_for_sleepers()
    event.set()
    assert await waiting is True
    assert await wait(clock, event, 60) is True
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clock.wait_for_sleepers(), 0.01)


def test_nothing_else_reads_the_time() -> None:
    """Code of the services that depends on the time reads a Clock."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        name = str(path.relative_to(SOURCES))
        if not name.startswith("platform/"):
            calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
            found |= {name for call in calls if ast.unparse(call.func) in READS}
    assert found == set(ALLOWED)
