"""Keeps processes running: one that dies is started again after a while, one that was stopped stays
stopped.
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

_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_STEADY = 60.0
"""Whoever ran this long is not counted as dying again and again."""
_PATIENCE = 15.0


class Process(Protocol):
    """Something that runs."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        ...

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        ...


class PolledProcess:
    """A child of ours with a session of its own, looked at several times a second.

    What it leaves behind goes with it.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Over a process that was started."""
        self._process = process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - a process is not an event
            await asyncio.sleep(0.05)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return code

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        if self._process.poll() is None:
            self._process.send_signal(which)


@dataclass(slots=True)
class Unit:
    """One process to keep running: how it is started, and how it tells that it is ready."""

    name: str
    launch: Callable[[], Awaitable[Process]]
    is_ready: Callable[[], Awaitable[bool]]
    log: str
    ending: signal.Signals = signal.SIGTERM
    patience: float = 60.0
    process: Process | None = None
    wanted: bool = True
    state: str = "new"
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Supervisor:
    """The processes of the platform, by name."""

    def __init__(self, say: Say) -> None:
        """Say to a person what happens."""
        self._say = say
        self.units: dict[str, Unit] = {}

    async def add(self, unit: Unit) -> None:
        """Start a process and wait until it is ready; raises `LaunchError` if it does not get there."""
        self.units[unit.name] = unit
        process = await unit.launch()
        unit.process = process
        try:
            await self._wait_until_ready(unit, process)
        except BaseException:
            unit.wanted = False
            await self._end(unit)
            raise
        unit.task = asyncio.create_task(self._keep(unit, process), name=f"keep {unit.name}")

    async def _wait_until_ready(self, unit: Unit, process: Process) -> None:
        unit.state = "starting"
        ended = asyncio.create_task(process.wait())
        deadline = time.monotonic() + unit.patience
        try:
            while not await unit.is_ready():
                if ended.done():
                    raise LaunchError(
                        f"{unit.name} ended at its start ({_how(ended.result())}).", f"See {unit.log}"
                    )
                if time.monotonic() > deadline:
                    raise LaunchError(
                        f"{unit.name} was not ready within {unit.patience:.0f} s.", f"See {unit.log}"
                    )
                await asyncio.wait([ended], timeout=0.05)
        finally:
            ended.cancel()
        unit.state = "running"
        unit.ready.set()

    async def _keep(self, unit: Unit, process: Process) -> None:
        delay, begin = _FIRST_DELAY, time.monotonic()
        while True:
            code = await process.wait()
            unit.ready.clear()
            if not unit.wanted:
                unit.state = "stopped"
                return
            unit.state = "restarting"
            delay = _FIRST_DELAY if time.monotonic() - begin > _STEADY else min(delay * 2, _LONGEST_DELAY)
            self._say(
                f"{unit.name} died ({_how(code)}); it is started again in {delay:.0f} s. Its log: {unit.log}"
            )
            await asyncio.sleep(delay)
            begin = time.monotonic()
            process = await self._again(unit)

    async def _again(self, unit: Unit) -> Process:
        """Start it until it gets ready, ever more rarely."""
        delay = _FIRST_DELAY
        while True:
            try:
                process = unit.process = await unit.launch()
                await self._wait_until_ready(unit, process)
            except LaunchError as error:
                self._say(f"{error.problem} {error.advice}")
                await self._end(unit)
                delay = min(delay * 2, _LONGEST_DELAY)
                await asyncio.sleep(delay)
            else:
                self._say(f"{unit.name} runs again")
                return process

    async def stop(self, name: str) -> str:
        """Stop one on purpose; it stays stopped."""
        unit = self.units[name]
        if not unit.wanted:
            return f"{name} is stopped already"
        await self._stop(unit)
        return f"{name} is stopped; start it again with: mussikon start {name}"

    async def start(self, name: str) -> str:
        """Start one again that was stopped on purpose."""
        unit = self.units[name]
        if unit.wanted:
            return f"{name} is {unit.state}"
        unit.wanted = True
        await self.add(unit)
        return f"{name} runs"

    async def stop_all(self, names: list[str]) -> None:
        """Stop several at once."""
        await asyncio.gather(*(self._stop(self.units[name]) for name in names if name in self.units))

    async def _stop(self, unit: Unit) -> None:
        unit.wanted = False
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
        for ending in (unit.ending, signal.SIGKILL):
            process.signal(ending)
            try:
                await asyncio.wait_for(process.wait(), _PATIENCE)
            except TimeoutError:
                continue
            return


def _how(code: int) -> str:
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            pass
    return f"exit code {code}"
