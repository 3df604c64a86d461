"""Supervises the platform's processes: restarts a process that ends unexpectedly, after a growing delay.

A process that was stopped on purpose (`mussikon stop`) is not restarted. The launcher uses it.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from subgraphs.platform.errors import LaunchError

Say = Callable[[str], None]

_FIRST_DELAY, _MAX_DELAY = 0.5, 30.0
_STABLE_AFTER = 60.0
"""If a process has run for this number of seconds, its next restart has the shortest delay again."""
_STOP_TIMEOUT = 15.0


class Process(Protocol):
    """A running process that the supervisor can await and signal."""

    @property
    def pid(self) -> int:
        """The process id."""
        ...

    async def wait(self) -> int:
        """Wait for the end of the process and return its exit code; it is negative for a signal."""
        ...

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the process, if it has not ended."""
        ...


class PolledProcess:
    """A child process with a session of its own, whose end is found by polling.

    When it has ended, the processes that it has started are killed.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the end of the process, kill the rest of its process group, and return its exit code."""
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - Popen has no event for it
            await asyncio.sleep(0.05)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return code

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the process, if it has not ended."""
        if self._process.poll() is None:
            self._process.send_signal(which)


@dataclass(slots=True)
class Unit:
    """A supervised process, also while it does not run.

    `launch` starts it; `is_ready` returns whether it serves requests, which it must do within `timeout`
    seconds; `log` is the path of its log, for messages.
    """

    name: str
    launch: Callable[[], Awaitable[Process]]
    is_ready: Callable[[], Awaitable[bool]]
    log: str
    stop_signal: signal.Signals = signal.SIGTERM
    timeout: float = 60.0
    process: Process | None = None
    should_run: bool = True
    state: str = "new"
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Supervisor:
    """Starts, watches and stops the units of a platform, which it has by name."""

    def __init__(self, say: Say) -> None:
        """`say` is called with messages for the user, such as that a process is restarted."""
        self._say = say
        self.units: dict[str, Unit] = {}

    async def add(self, unit: Unit) -> None:
        """Start the process of a unit, wait until it is ready, and supervise it from then on.

        Raises LaunchError if it ends or is not ready in time.
        """
        self.units[unit.name] = unit
        process = await unit.launch()
        unit.process = process
        try:
            await self._wait_until_ready(unit, process)
        except BaseException:
            unit.should_run = False
            await self._end(unit)
            raise
        unit.task = asyncio.create_task(self._supervise(unit, process), name=f"keep {unit.name}")

    async def _wait_until_ready(self, unit: Unit, process: Process) -> None:
        unit.state = "starting"
        ended = asyncio.create_task(process.wait())
        deadline = time.monotonic() + unit.timeout
        try:
            while not await unit.is_ready():
                if ended.done():
                    raise LaunchError(
                        f"{unit.name} ended during its start ({_exit_reason(ended.result())}).",
                        f"See {unit.log}",
                    )
                if time.monotonic() > deadline:
                    raise LaunchError(
                        f"{unit.name} was not ready within {unit.timeout:.0f} s.", f"See {unit.log}"
                    )
                await asyncio.wait([ended], timeout=0.05)
        finally:
            ended.cancel()
        unit.state = "running"
        unit.ready.set()

    async def _supervise(self, unit: Unit, process: Process) -> None:
        delay, begin = _FIRST_DELAY, time.monotonic()
        while True:
            code = await process.wait()
            unit.ready.clear()
            if not unit.should_run:
                unit.state = "stopped"
                return
            unit.state = "restarting"
            delay = _FIRST_DELAY if time.monotonic() - begin > _STABLE_AFTER else min(delay * 2, _MAX_DELAY)
            self._say(
                f"{unit.name} died ({_exit_reason(code)}); restarting it in {delay:.0f} s. Log: {unit.log}"
            )
            await asyncio.sleep(delay)
            begin = time.monotonic()
            process = await self._restart(unit)

    async def _restart(self, unit: Unit) -> Process:
        """Start the process again and again, with growing delays, until it is ready; return it."""
        delay = _FIRST_DELAY
        while True:
            try:
                process = unit.process = await unit.launch()
                await self._wait_until_ready(unit, process)
            except LaunchError as error:
                self._say(f"{error.problem} {error.advice}")
                await self._end(unit)
                delay = min(delay * 2, _MAX_DELAY)
                await asyncio.sleep(delay)
            else:
                self._say(f"{unit.name} runs again")
                return process

    async def stop(self, name: str) -> str:
        """Stop the process of a unit, and do not restart it; return a message for the user."""
        unit = self.units[name]
        if not unit.should_run:
            return f"{name} is stopped already"
        await self._stop(unit)
        return f"{name} is stopped; to start it again: mussikon start {name}"

    async def start(self, name: str) -> str:
        """Start the process of a unit that was stopped; return a message for the user. Raises LaunchError."""
        unit = self.units[name]
        if unit.should_run:
            return f"{name} is {unit.state}"
        unit.should_run = True
        await self.add(unit)
        return f"{name} runs"

    async def stop_all(self, names: list[str]) -> None:
        """Stop the processes of several units at the same time."""
        await asyncio.gather(*(self._stop(self.units[name]) for name in names if name in self.units))

    async def _stop(self, unit: Unit) -> None:
        unit.should_run = False
        if unit.state == "restarting" and unit.task is not None:
            unit.task.cancel()
        await self._end(unit)
        if unit.task is not None:
            await asyncio.wait([unit.task])
        unit.ready.clear()
        unit.state = "stopped"

    async def _end(self, unit: Unit) -> None:
        process = unit.process
        if process is None:
            return
        for stop_signal in (unit.stop_signal, signal.SIGKILL):
            process.signal(stop_signal)
            try:
                await asyncio.wait_for(process.wait(), _STOP_TIMEOUT)
            except TimeoutError:
                continue
            return


def _exit_reason(code: int) -> str:
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            pass
    return f"exit code {code}"
