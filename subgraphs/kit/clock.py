"""The clock of a service, which tests replace by one that they advance without waiting.

Times that SQL statements compare with the database's clock (when a lease expires, when a retry is due) are
computed by the database, not with this clock.
Durations for logs and metrics are measured with `time.perf_counter`.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The present time, and pauses; implemented by SystemClock and, for tests, by FakeClock."""

    def now(self) -> datetime:
        """Return the time in UTC, with its time zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment, which never decrease; for ages within one process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic time."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


async def wait(clock: Clock, event: asyncio.Event, seconds: float) -> bool:
    """Wait at most `seconds` until an asyncio event is set; return whether it is set."""
    if event.is_set():
        return True
    tasks = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return event.is_set()


class FakeClock:
    """A clock for tests, whose time changes only by `advance`; it starts at `start`."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._fell_asleep = asyncio.Event()

    def now(self) -> datetime:
        """Return the start plus the seconds by which the clock was advanced."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the seconds by which the clock was advanced."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has been advanced by `seconds`; for 0 seconds, only let other tasks run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self._elapsed + seconds, waking)
        self._sleepers.append(sleeper)
        self._fell_asleep.set()
        try:
            await waking
        finally:
            self._sleepers.remove(sleeper)

    async def advance(self, seconds: float) -> None:
        """Advance the time by `seconds`, and resume the tasks in `sleep` that are due meanwhile, in
        time order.

        Each task runs until it sleeps again or waits for something else.
        """
        end = self._elapsed + seconds
        while due := sorted({at for at, waking in self._sleepers if at <= end and not waking.done()}):
            self._elapsed = max(self._elapsed, due[0])
            for at, waking in self._sleepers:
                if at <= self._elapsed and not waking.done():
                    waking.set_result(None)
            for _ in range(10):
                await asyncio.sleep(0)
        self._elapsed = end

    async def wait_for_sleepers(self, count: int = 1) -> None:
        """Wait until `count` tasks are in `sleep`: the work that they do before it is then complete."""
        while sum(not waking.done() for _, waking in self._sleepers) < count:
            self._fell_asleep.clear()
            await self._fell_asleep.wait()
