"""Another supergraph without a restart.

SIGHUP reads it anew, and connections, requests under way and the old one in case of doubt stay.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvicorn
from uvicorn.supervisors import Multiprocess

from gateway.answering import Gateway
from gateway.app import GatewayApp, create_gateway
from gateway.core.errors import GatewayError
from gateway.observe.facts import Reloaded, ReloadRefused
from gateway.observe.observer import Observer
from gateway.settings import Settings
from gateway.triggers import Sagas


class GatewaySource(msgspec.Struct, frozen=True):
    """What a gateway is made of: the supergraph's text and the settings, read together so that they fit
    each other.
    """

    supergraph: str
    settings: Settings


ReadSource = Callable[[], GatewaySource]
HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none


class Terminal:
    """The terminal that this process was started from, if any."""

    def __init__(self) -> None:
        self.there = sys.stderr.isatty()

    @property
    def is_gone(self) -> bool:
        """Whether it has been closed since: that is told by SIGHUP, too."""
        return self.there and not sys.stderr.isatty()


class GatewayFactory:
    """Makes gateways for one process out of what `read` gives, with the observer and the sagas that stay."""

    def __init__(self, read: ReadSource, observer: Observer, sagas: Sagas | None = None) -> None:
        self.read = read
        self.observer = observer
        self.sagas = sagas

    def make(self, source: GatewaySource) -> Gateway:
        """A gateway; raises SupergraphError or SettingsError."""
        return create_gateway(source.supergraph, source.settings, sagas=self.sagas, observer=self.observer)

    def try_make(self) -> tuple[GatewaySource, Gateway] | None:
        """What there is to read now and a gateway of it.

        None, and a fact that says why, when none can be made.
        """
        try:
            source = self.read()
            return source, self.make(source)
        except GatewayError as error:
            self.observer.emit(ReloadRefused(error.code, error.message, error.next_step))
        return None


class Reloader:
    """Reloads what one process serves."""

    def __init__(self, served: GatewayApp, making: GatewayFactory) -> None:
        self.served = served
        self.making = making
        self.terminal = Terminal()
        self.going: asyncio.Task[None] | None = None
        self.again = False

    async def listen(self) -> None:
        """From now on SIGHUP reloads."""
        if HANGUP is not None:
            asyncio.get_running_loop().add_signal_handler(HANGUP, self.hang_up)

    def hang_up(self) -> None:
        """Reload, unless the terminal that this was started from is gone: then end, as everything does."""
        if self.terminal.is_gone:
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.going is not None and not self.going.done():
            self.again = True
        else:
            self.going = asyncio.ensure_future(self.reload())

    async def reload(self) -> None:
        """Read and load beside the requests, then take over; once more if somebody has asked meanwhile."""
        while True:
            self.again = False
            found = await asyncio.to_thread(self.making.try_make)
            if found is not None:
                await asyncio.to_thread(found[1].warm, self.served.gateway)
                await self.served.replace(found[1])
                self.making.observer.emit(Reloaded(tuple(found[1].engine.supergraph.subgraphs)))
            if not self.again:
                return


class WorkerSupervisor(Multiprocess):
    """uvicorn's processes; on SIGHUP the source is read and checked once, and each process told to load it
    from `file`.
    """

    def __init__(self, config: uvicorn.Config, file: Path, making: GatewayFactory) -> None:
        super().__init__(config, [config.bind_socket()])
        self.file = file
        self.making = making
        self.terminal = Terminal()

    def handle_hup(self) -> None:
        """Reload, unless the terminal that this was started from is gone: then end."""
        if self.terminal.is_gone:
            self.handle_term()
            return
        found = self.making.try_make()
        if found is None:
            return
        write_source(self.file, found[0])
        for process in self.processes:
            if process.pid is not None and HANGUP is not None:
                os.kill(process.pid, HANGUP)


def write_source(file: Path, source: GatewaySource) -> None:
    """Write a source for the workers, all of it at once: nobody reads half of it."""
    beside = file.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(source))
    beside.replace(file)


def read_source(file: Path) -> GatewaySource:
    """What `write_source` wrote."""
    return msgspec.json.decode(file.read_bytes(), type=GatewaySource)
