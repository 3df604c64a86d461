"""Serving: a supergraph and settings on an address, in one process or several."""

import asyncio
import gc
import importlib
import os
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
from gateway.core.errors import SettingsError, SubgraphError
from gateway.http.routes import Routes
from gateway.http.uvicorn_internals import check_uvicorn
from gateway.observe.facts import Started
from gateway.observe.log import Log
from gateway.observe.observer import Observer
from gateway.reload import GatewayFactory, ReadSource, Reloader, WorkerSupervisor, read_source, write_source
from gateway.settings import Settings
from gateway.transport.base import call_for, send_and_read
from gateway.transport.http import HttpTransport
from gateway.triggers import Sagas

_ENVIRONMENT = "GATEWAY_SOURCE"
SDL_SECONDS = 10.0  # for a subgraph to give its SDL


def read_text(path: str, what: str) -> str:
    """A file's text; SettingsError FILE_NOT_READABLE that says what it was to be."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{what} {path} can't be read: {reason}", "FILE_NOT_READABLE") from error


async def fetch_sdls(urls: Mapping[str, str]) -> list[SubgraphSource]:
    """Ask each subgraph for its SDL (`_service`).

    Raises SubgraphError naming the one that does not give it.
    """
    transport = HttpTransport(urls)

    async def one(name: str, url: str) -> SubgraphSource:
        payload = await send_and_read(transport, call_for(name, "{_service{sdl}}", timeout=SDL_SECONDS))
        try:
            sdl = payload["data"]["_service"]["sdl"]
        except (KeyError, TypeError):
            sdl = None
        if not isinstance(sdl, str):
            message = f"at {url} does not answer {{_service{{sdl}}}}; is it a federation subgraph?"
            raise SubgraphError(message, "SUBGRAPH_BAD_RESPONSE", subgraph=name)
        return SubgraphSource(name, url, sdl)

    try:
        return list(await asyncio.gather(*(one(name, url) for name, url in urls.items())))
    finally:
        await transport.close()


def compose_from(urls: Mapping[str, str]) -> str:
    """The supergraph of running subgraphs."""
    return compose(asyncio.run(fetch_sdls(urls))).supergraph


def claim_port(host: str, port: int) -> None:
    """See that an address can be listened on; SettingsError ADDRESS_IN_USE or BAD_OPTION when not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            message = f"this user may not listen on port {port}; take one above 1023"
            raise SettingsError(message, "BAD_OPTION") from error
        except (OSError, OverflowError) as error:
            message = f"{host}:{port} can't be listened on: {getattr(error, 'strerror', None) or error}"
            raise SettingsError(message, "ADDRESS_IN_USE") from error


def serve(read: ReadSource, host: str, port: int, workers: int) -> None:
    """Serve until SIGINT or SIGTERM; running requests are answered first.

    SIGHUP: `read` gives the source anew.

    Raises what is wrong before it listens.
    """
    check_uvicorn()
    claim_port(host, port)
    source = read()
    observer = Observer([Log()])
    making = GatewayFactory(read, observer, sagas_of(source.settings))
    gateway = making.make(source)
    observer.emit(Started(f"http://{host}:{port}/graphql", tuple(gateway.engine.supergraph.subgraphs)))
    if workers == 1:
        _run(uvicorn.Server(_config(application(gateway, making), host, port)).run)
        return
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        file = Path(folder) / "source.json"
        write_source(file, source)
        os.environ[_ENVIRONMENT] = str(file)
        config = _config("gateway.serve:worker", host, port, factory=True, workers=workers)
        _run(WorkerSupervisor(config, file, making).run)


def sagas_of(settings: Settings) -> Sagas | None:
    """The sagas that mutations start, from the team's own module. Raises SettingsError."""
    if settings.sagas is None:
        return None
    module, _, name = settings.sagas.partition(":")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        extra = getattr(error, "name", None) == "asyncpg"  # the journal in PostgreSQL: gateway.saga.postgres
        advice = "; the package is part of an extra: pip install 'mussikon[sagas]'" if extra else ""
        raise SettingsError(
            f"--sagas takes MODULE:NAME; {settings.sagas}: {error}{advice}", "BAD_OPTION"
        ) from error
    found = make() if callable(make) else None
    if not isinstance(found, Sagas):
        raise SettingsError(
            f"{settings.sagas} is no function that gives gateway.triggers.Sagas", "BAD_OPTION"
        )
    return found


def application(gateway: Gateway, making: GatewayFactory) -> Routes:
    """The application of one process, which reloads on SIGHUP."""

    async def started() -> None:
        await reloader.listen()

    served = GatewayApp(gateway, started, sagas=making.sagas)
    reloader = Reloader(served, making)
    settle()
    return served.routes


def settle() -> None:
    """What was made at the start stays.

    The garbage collector need not look at it again and again while requests run.

    Nor often at what requests make: they leave no circles behind (a test counts).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _run(run: Callable[[], None]) -> None:
    with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        run()


def _config(
    app: Routes | str, host: str, port: int, *, factory: bool = False, workers: int = 1
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=factory,
        host=host,
        port=port,
        workers=workers,
        loop="uvloop" if sys.platform != "win32" else "auto",
        http="gateway.http.direct:DirectProtocol",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        timeout_worker_healthcheck=60,  # a busy machine makes a worker silent, which is no reason to end it
    )


def worker() -> Routes:
    """The application of one worker process, from the file that `serve` leaves it."""
    read = partial(read_source, Path(os.environ[_ENVIRONMENT]))
    source = read()
    making = GatewayFactory(read, Observer([Log()]), sagas_of(source.settings))
    return application(making.make(source), making)
