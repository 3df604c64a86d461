"""Serves a supergraph on a host and port, in one process or several."""

import asyncio
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import uvicorn

from gateway.answering import Gateway
from gateway.app import GatewayApp
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.errors import SettingsError, SubgraphError
from gateway.http.routes import Routes
from gateway.http.uvicorn_internals import check_uvicorn
from gateway.observe.facts import Started
from gateway.observe.log import Log
from gateway.observe.observer import Observer
from gateway.reload import (
    GatewayFactory,
    GatewaySource,
    ReadSource,
    Reloader,
    WorkerSupervisor,
    read_source,
    write_source,
)
from gateway.settings import ServerSettings, Settings
from gateway.subscribe.workers import Workers
from gateway.transport.base import call_for, send_and_read
from gateway.transport.http import transport_for
from gateway.transport.tls import server_context
from gateway.triggers import Sagas

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_ENVIRONMENT = "GATEWAY_SOURCE"
SDL_SECONDS = 10.0  # timeout for fetching an SDL


def read_text(path: str, what: str) -> str:
    """Return the text of a file. `what`: what the file contains, for the message.

    Raises SettingsError FILE_NOT_READABLE.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{what} {path} can't be read: {reason}", "FILE_NOT_READABLE") from error


async def fetch_sdls(urls: Mapping[str, str], settings: Settings | None = None) -> list[SubgraphSource]:
    """Fetch the SDL of each subgraph (`{_service{sdl}}`), by name and URL.

    `settings`: of the connections to them. Raises SubgraphError for a subgraph that returns none, and
    SettingsError for an invalid URL or certificate.
    """
    transport = transport_for(urls, settings or Settings())

    async def one(name: str, url: str) -> SubgraphSource:
        payload = await send_and_read(transport, call_for(name, "{_service{sdl}}", timeout=SDL_SECONDS))
        try:
            sdl = payload["data"]["_service"]["sdl"]
        except (KeyError, TypeError):
            sdl = None
        if not isinstance(sdl, str):
            message = f"at {url} returned no SDL; check that it is a federation subgraph"
            raise SubgraphError(message, "SUBGRAPH_BAD_RESPONSE", subgraph=name)
        return SubgraphSource(name, url, sdl)

    try:
        return list(await asyncio.gather(*(one(name, url) for name, url in urls.items())))
    finally:
        await transport.close()


def compose_running_subgraphs(settings: Settings) -> str:
    """Return the supergraph SDL of the running subgraphs in `settings.compose`."""
    return compose(asyncio.run(fetch_sdls(settings.compose, settings))).supergraph


def check_address(host: str, port: int) -> None:
    """Raise SettingsError ADDRESS_IN_USE or BAD_OPTION when the address can't be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            message = f"this user has no permission to listen on port {port}; use a port above 1023"
            raise SettingsError(message, "BAD_OPTION") from error
        except (OSError, OverflowError) as error:
            message = f"can't listen on {host}:{port}: {getattr(error, 'strerror', None) or error}"
            raise SettingsError(message, "ADDRESS_IN_USE") from error


def serve(read: ReadSource) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in progress; SIGHUP calls `read` again.

    Raises GatewayError for a problem before it accepts connections.
    """
    check_uvicorn()
    source = read()
    server = source.settings.server
    check_server(server)
    observer = Observer([Log()])
    factory = GatewayFactory(read, observer, load_sagas(source.settings))
    gateway = factory.make(source)
    address = f"{'http' if server.tls is None else 'https'}://{server.host}:{server.port}/graphql"
    observer.emit(Started(address, tuple(gateway.engine.supergraph.subgraphs)))
    if server.workers == 1:
        _run(uvicorn.Server(_config(application(gateway, factory), server)).run)
        return
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        file = Path(folder) / "source.json"
        write_source(file, source)
        os.environ[_ENVIRONMENT] = str(file)
        config = _config("gateway.serve:worker", server, factory=True, workers=server.workers)
        _run(WorkerSupervisor(config, file, factory).run)


def check_server(server: ServerSettings) -> None:
    """Raise SettingsError when the gateway can't listen on its address, or can't use its certificate."""
    check_address(server.host, server.port)
    if server.tls is not None:
        server_context(server.tls)


def check_source(source: GatewaySource) -> None:
    """Raise the GatewayError that serving this source would raise; nothing is served, no subgraph called."""
    if source.settings.server.tls is not None:
        server_context(source.settings.server.tls)
    GatewayFactory(lambda: source, Observer(), load_sagas(source.settings)).make(source)


def load_sagas(settings: Settings) -> Sagas | None:
    """Return the sagas that the function `settings.sagas` (MODULE:NAME) returns; None without the setting.

    Raises SettingsError BAD_OPTION.
    """
    if settings.sagas is None:
        return None
    module, _, name = settings.sagas.partition(":")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        extra = getattr(error, "name", None) == "asyncpg"  # the journal in PostgreSQL: gateway.saga.postgres
        advice = "; install the extra: pip install 'mussikon[sagas]'" if extra else ""
        raise SettingsError(
            f"--sagas: expected MODULE:NAME of a function, got {settings.sagas}: {error}{advice}",
            "BAD_OPTION",
        ) from error
    found = make() if callable(make) else None
    if not isinstance(found, Sagas):
        raise SettingsError(
            f"--sagas: expected {settings.sagas} to be a function that returns gateway.triggers.Sagas",
            "BAD_OPTION",
        )
    return found


def application(gateway: Gateway, factory: GatewayFactory, workers: Workers | None = None) -> Routes:
    """Return the application of one process, which reloads on SIGHUP.

    `workers`: the processes that share subscriptions; None for one process.
    """

    async def started() -> None:
        await reloader.listen()

    served = GatewayApp(gateway, started, sagas=factory.sagas, workers=workers)
    reloader = Reloader(served, factory)
    freeze_startup_objects()
    return served.routes


def freeze_startup_objects() -> None:
    """Exempt the objects that exist now from garbage collection, and run it less often.

    Requests leave no reference cycles (a test counts them), so there is little for it to collect.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _run(run: Callable[[], None]) -> None:
    with suppress(KeyboardInterrupt):  # Ctrl-C ends the server without a traceback
        run()


def _config(
    app: Routes | str, server: ServerSettings, *, factory: bool = False, workers: int = 1
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=factory,
        host=server.host,
        port=server.port,
        workers=workers,
        ssl_context_factory=partial(server_context, server.tls) if server.tls is not None else None,
        loop="uvloop" if sys.platform != "win32" else "auto",
        http="gateway.http.direct:DirectProtocol",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        timeout_worker_healthcheck=60,  # on a busy machine a healthy worker may respond late
    )


def end_with_supervisor() -> None:
    """Have the system end this process when the one that has started it is gone, so that none holds the port.

    Linux only; elsewhere a worker outlives a supervisor that is killed.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def worker() -> Routes:
    """Return the application of a worker process, from the file that `serve` has written."""
    end_with_supervisor()
    file = Path(os.environ[_ENVIRONMENT])
    read = partial(read_source, file)
    source = read()
    factory = GatewayFactory(read, Observer([Log()]), load_sagas(source.settings))
    workers = Workers(file.parent, SYSTEM_CLOCK) if hasattr(socket, "AF_UNIX") else None
    return application(factory.make(source), factory, workers)
