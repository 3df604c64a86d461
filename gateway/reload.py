"""Loads another supergraph without a restart.

SIGHUP reads the supergraph again. Connections remain open, and requests in progress are answered by the
previous gateway. If the new supergraph can't be served, the previous one remains.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path

import msgspec
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from gateway.answering import Gateway
from gateway.app import GatewayApp, create_gateway
from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.errors import GatewayError
from gateway.observe.facts import Reloaded, ReloadRefused
from gateway.observe.observer import Observer
from gateway.settings import Settings
from gateway.triggers import Sagas


class GatewaySource(msgspec.Struct, frozen=True):
    """A supergraph SDL and the settings to serve it with, read together so that they fit each other."""

    supergraph: str
    settings: Settings


ReadSource = Callable[[], GatewaySource]
WAIT = 0.2  # seconds between two looks for signals while a worker is asked whether it is alive
HANGUP = getattr(signal, "SIGHUP", None)  # missing on Windows


class Terminal:
    """The terminal of standard error, as it was when the process started."""

    def __init__(self) -> None:
        self.was_terminal = sys.stderr.isatty()

    @property
    def is_closed(self) -> bool:
        """Return whether the terminal was closed since the start; closing a terminal also sends SIGHUP."""
        return self.was_terminal and not sys.stderr.isatty()


class GatewayFactory:
    """Creates gateways from the source that `read` returns. All of them have the same observer and sagas."""

    def __init__(self, read: ReadSource, observer: Observer, sagas: Sagas | None = None) -> None:
        self.read = read
        self.observer = observer
        self.sagas = sagas

    def make(self, source: GatewaySource, before: Gateway | None = None) -> Gateway:
        """Return a gateway over a source. `before`: the one that it replaces; it continues with its cache.

        Raises SupergraphError or SettingsError.
        """
        cache = before.engine.cache if before is not None else None
        hub = before.hub if before is not None else None
        return create_gateway(
            source.supergraph, source.settings, sagas=self.sagas, observer=self.observer, cache=cache, hub=hub
        )

    def try_make(self, before: Gateway | None = None) -> tuple[GatewaySource, Gateway] | None:
        """Return the current source and a gateway over it, in place of the one `before`; if that fails,
        report ReloadRefused and return None.
        """
        try:
            source = self.read()
            return source, self.make(source, before)
        except GatewayError as error:
            self.observer.emit(ReloadRefused(error.code, error.message, error.next_step))
        return None


class Reloader:
    """Replaces the gateway of one process by one with the current supergraph, at a SIGHUP.

    `served`: the application that serves the gateway.
    """

    def __init__(self, served: GatewayApp, factory: GatewayFactory) -> None:
        self.served = served
        self.factory = factory
        self.terminal = Terminal()
        self.task: asyncio.Task[None] | None = None
        self.reload_again = False

    async def listen(self) -> None:
        """Handle SIGHUP from now on."""
        if HANGUP is not None:
            asyncio.get_running_loop().add_signal_handler(HANGUP, self.on_sighup)

    def on_sighup(self) -> None:
        """Reload; but if the terminal was closed, end the process as SIGHUP does by default."""
        if self.terminal.is_closed:
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.task is not None and not self.task.done():
            self.reload_again = True
        else:
            self.task = asyncio.ensure_future(self.reload())

    async def reload(self) -> None:
        """Create a new gateway while the present one serves, then replace it; repeat if another SIGHUP
        arrived.
        """
        while True:
            self.reload_again = False
            found = await asyncio.to_thread(self.factory.try_make, self.served.gateway)
            if found is not None:
                await asyncio.to_thread(found[1].prepared.warm, self.served.gateway.prepared)
                await self.served.replace(found[1])
                self.factory.observer.emit(Reloaded(tuple(found[1].engine.supergraph.subgraphs)))
            if not self.reload_again:
                return


class WorkerSupervisor(Multiprocess):
    """uvicorn's worker processes, with a reload.

    SIGHUP reads and checks the source once, writes it to `file`, and signals each worker to load it.
    """

    def __init__(self, config: uvicorn.Config, file: Path, factory: GatewayFactory) -> None:
        super().__init__(config, [config.bind_socket()])
        self.file = file
        self.factory = factory
        self.terminal = Terminal()

    def keep_subprocess_alive(self) -> None:
        """Replace each worker that has ended, or does not answer in time.

        uvicorn's own method would wait for the answer of a worker that is killed meanwhile, and for that time
        handle no signal.
        """
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set() or self._is_alive(process):
                continue
            process.kill()
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                self.should_exit.set()
                return
            self.processes[index] = Process(self.config, self.sockets)
            self.processes[index].start()

    def _is_alive(self, process: Process) -> bool:
        """Return whether a worker answers, or has not yet had the time to; a signal ends the wait."""
        pipe, ended = process.parent_conn, process.process.sentinel
        due = SYSTEM_CLOCK.time() + self.config.timeout_worker_healthcheck
        try:
            pipe.send(b"ping")
            while SYSTEM_CLOCK.time() < due:
                found = wait([pipe, ended], WAIT)
                if pipe in found:
                    pipe.recv()
                    return True
                if ended in found:
                    return False
                if self.signal_queue:
                    return True
        except (OSError, EOFError):
            pass
        return False

    def handle_hup(self) -> None:
        """Reload the workers; but if the terminal was closed, end them."""
        if self.terminal.is_closed:
            self.handle_term()
            return
        found = self.factory.try_make()
        if found is None:
            return
        write_source(self.file, found[0])
        for process in self.processes:
            if process.pid is not None and HANGUP is not None:
                os.kill(process.pid, HANGUP)


def write_source(file: Path, source: GatewaySource) -> None:
    """Write a source for the workers, atomically: no worker reads a partly written file."""
    beside = file.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(source))
    beside.replace(file)


def read_source(file: Path) -> GatewaySource:
    """Return a source that `write_source` has written."""
    return msgspec.json.decode(file.read_bytes(), type=GatewaySource)
