"""Another supergraph without a restart: SIGHUP reads it anew, and connections, requests under way and the old one in case of doubt stay."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from gateway.app import Gateway, Served, create_gateway
from gateway.core.errors import GatewayError
from gateway.observe.events import Reloaded, ReloadRefused, emit
from gateway.settings import Settings
from gateway.triggers import Sagas

Read = Callable[[], str]
HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none


class Terminal:
    """The terminal that this process was started from, if any."""

    def __init__(self) -> None:
        self.there = sys.stderr.isatty()

    @property
    def is_gone(self) -> bool:
        """Whether it has been closed since: that is told by SIGHUP, too."""
        return self.there and not sys.stderr.isatty()


def try_gateway(read: Read, settings: Settings, sagas: Sagas | None = None) -> tuple[str, Gateway] | None:
    """The supergraph's text as it is now and a gateway over it; None, and a fact that says why, when there is none to be had."""
    try:
        text = read()
        return text, create_gateway(text, settings, sagas=sagas)
    except GatewayError as error:
        emit(ReloadRefused(error.code, error.message, error.next_step))
    return None


class Reloader:
    """Reloads what one process serves. `read` gives the text of the supergraph as it is now."""

    def __init__(self, served: Served, read: Read, settings: Settings, sagas: Sagas | None = None) -> None:
        self.served = served
        self.sagas = sagas
        self.read = read
        self.settings = settings
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
            found = await asyncio.to_thread(try_gateway, self.read, self.settings, self.sagas)
            if found is not None:
                await asyncio.to_thread(found[1].warm, self.served.gateway)
                await self.served.replace(found[1])
                emit(Reloaded(tuple(found[1].engine.supergraph.subgraphs)))
            if not self.again:
                return


class Workers(Multiprocess):
    """uvicorn's processes; on SIGHUP the supergraph is read and checked once, and each process told to load it."""

    def __init__(self, config: uvicorn.Config, file: Path, read: Read, settings: Settings) -> None:
        super().__init__(config, [config.bind_socket()])
        self.file = file
        self.read = read
        self.settings = settings
        self.terminal = Terminal()

    def handle_hup(self) -> None:
        """See Reloader.hang_up."""
        if self.terminal.is_gone:
            self.handle_term()
            return
        found = try_gateway(self.read, self.settings)
        if found is None:
            return
        write_whole(self.file, found[0])
        for process in self.processes:
            if process.pid is not None and HANGUP is not None:
                os.kill(process.pid, HANGUP)


def write_whole(file: Path, text: str) -> None:
    """Replace a file's text at once: nobody reads half of it."""
    beside = file.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)
