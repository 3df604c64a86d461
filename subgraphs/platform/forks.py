"""Starts services as forks of the zygote, the process that has imported all of them (`zygote`).

The launcher uses it. A forked service is a child of the zygote, not of the launcher, so the zygote reports
its end to the launcher.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from subgraphs.platform import processes
from subgraphs.platform.errors import LaunchError

GONE = -1
"""The exit code of a service whose zygote was killed, since its own exit code is then unknown."""


class ForkedProcess:
    """A running service that the zygote has forked."""

    def __init__(self, pid: int, exited: "asyncio.Future[int]") -> None:
        """`exited`: a future of the exit code, completed when the zygote reports the end of the process."""
        self.pid = pid
        self._exited = exited

    async def wait(self) -> int:
        """Wait for the end of the process and return its exit code; it is negative for a signal."""
        return await asyncio.shield(self._exited)

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the process, if it has not ended."""
        if not self._exited.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, which)


class Zygote:
    """The launcher's side of the zygote: orders its process to start services, and receives its reports.

    If the zygote's process was killed, a new one is started.
    """

    def __init__(self, log: Path, environment: Mapping[str, str], packages: Sequence[str]) -> None:
        """`log`: the file for the zygote's output; `environment`: its environment variables.

        `packages`: the names of the services' packages, which the zygote imports.
        """
        self._log = log
        self._packages = packages
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready: asyncio.Future[None] | None = None
        self._started: dict[int, asyncio.Future[ForkedProcess]] = {}
        self._exited: dict[int, asyncio.Future[int]] = {}
        self._number = 0

    async def start(self) -> None:
        """Start the zygote's process, if it does not run; `fork` waits until its imports are done."""
        if self._process is not None and self._process.poll() is None:
            return
        ours, theirs = socket.socketpair()
        self._process = self._spawn(theirs)
        self._ready = asyncio.get_running_loop().create_future()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._reader = asyncio.create_task(self._read_reports(reader, self._ready))

    def _spawn(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "subgraphs.platform.zygote", str(theirs.fileno()), *self._packages]
        with self._log.open("ab") as log, theirs:
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
                preexec_fn=processes.die_with_parent(signal.SIGTERM),
            )

    async def fork(self, name: str, package: str, environment: Mapping[str, str], log: Path) -> ForkedProcess:
        """Start the service `name`, whose code is in `package`; return its process.

        `environment`: its settings as environment variables; `log`: the file for its output. Raises
        LaunchError if the zygote ends.
        """
        await self.start()
        if self._ready is None or self._writer is None:
            raise RuntimeError("expected a running zygote after start(), found none")
        await self._ready
        loop = asyncio.get_running_loop()
        self._number += 1
        started: asyncio.Future[ForkedProcess] = loop.create_future()
        self._started[self._number] = started
        self._exited[self._number] = loop.create_future()
        order = {
            "id": self._number,
            "name": name,
            "package": package,
            "environment": dict(environment),
            "log": str(log),
        }
        self._writer.write(json.dumps(order).encode() + b"\n")
        return await started

    async def _read_reports(self, reader: asyncio.StreamReader, ready: "asyncio.Future[None]") -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                self._handle(json.loads(line), ready)
        for exited in self._exited.values():
            if not exited.done():
                exited.set_result(GONE)
        lost = LaunchError("The process that forks services has ended unexpectedly.", f"See {self._log}")
        if not ready.done():
            ready.set_exception(lost)
            ready.exception()  # marks the exception as retrieved, in case no caller waits
        for started in self._started.values():
            started.set_exception(lost)
        self._started.clear()
        self._exited.clear()

    def _handle(self, report: dict[str, Any], ready: "asyncio.Future[None]") -> None:
        if "ready" in report:
            ready.set_result(None)
        elif "pid" in report:
            process = ForkedProcess(report["pid"], self._exited[report["id"]])
            self._started.pop(report["id"]).set_result(process)
        else:
            self._exited.pop(report["id"]).set_result(report["exit"])

    async def stop(self) -> None:
        """Stop the zygote's process; services that still run then end, too."""
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            await asyncio.to_thread(processes.stop, self._process, (signal.SIGTERM, signal.SIGKILL), 5)
        if self._reader is not None:
            await self._reader
