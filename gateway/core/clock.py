"""The clock through which the gateway reads time and starts timers; tests use a FakeClock, which they
advance.

This is the only module of `core` that uses the event loop, since timers need it.
"""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from time import monotonic
from time import time as epoch_time
from typing import Any, Protocol


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> object:
        """Cancel the call; this has no effect after the call was made."""
        ...


class Clock(Protocol):
    """Reads time and schedules calls. All times are in seconds."""

    def time(self) -> float:
        """Return monotonic time, for deadlines and durations."""
        ...

    def now(self) -> float:
        """Return the seconds since 1970-01-01 UTC, for times that leave the process."""
        ...

    def call_at(self, when: float, call: Callable[..., object], *arguments: Any) -> Timer:
        """Call `call(*arguments)` in the event loop when `time()` has reached `when`."""
        ...

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> Timer:
        """Call `call(*arguments)` in the next turn of the event loop."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after this number of seconds."""
        ...


class SystemClock:
    """The system's clock, with timers of the running event loop."""

    time = staticmethod(monotonic)
    now = staticmethod(epoch_time)

    def call_at(self, when: float, call: Callable[..., object], *arguments: Any) -> Timer:
        return asyncio.get_running_loop().call_later(max(when - monotonic(), 0.0), call, *arguments)

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> Timer:
        return asyncio.get_running_loop().call_soon(call, *arguments)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


class _FakeTimer:
    def __init__(self, when: float, call: Callable[[], object]) -> None:
        self.when = when
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self.call = None


class FakeClock:
    """A clock for tests: time stands still until `advance` moves it and makes the calls that become due.

    `start`: the first `time()`. `epoch`: the first `now()`.
    """

    def __init__(self, start: float = 1_000.0, epoch: float = 1_700_000_000.0) -> None:
        self._time = start
        self._offset = epoch - start
        self._numbers = count()
        self._timers: list[tuple[float, int, _FakeTimer]] = []

    def time(self) -> float:
        return self._time

    def now(self) -> float:
        return self._time + self._offset

    def call_at(self, when: float, call: Callable[..., object], *arguments: Any) -> Timer:
        timer = _FakeTimer(when, lambda: call(*arguments))
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> Timer:
        return asyncio.get_running_loop().call_soon(call, *arguments)

    async def sleep(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.call_at(self._time + seconds, _finish, waiting)
        await waiting

    async def advance(self, seconds: float) -> None:
        """Move time forward by a number of seconds.

        Each timer fires at its own time; the callbacks that it starts run before the next timer fires.
        """
        end = self._time + seconds
        await run_ready_callbacks()
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            if timer.call is not None:
                self._time = max(self._time, when)
                timer.call()
                await run_ready_callbacks()
        self._time = end
        await run_ready_callbacks()


def _finish(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


async def run_ready_callbacks(turns: int = 10) -> None:
    """Run the callbacks that are ready in the event loop, for this number of turns."""
    for _ in range(turns):
        await asyncio.sleep(0)
