"""Runs one service as a process: `python -m subgraphs.kit.serve users`, with settings from the environment.

`mussikon run` starts each service by this command, or by a fork of the zygote that calls `run`. After
SIGTERM or SIGINT, or when its parent process has ended, the process completes the running requests and ends.
"""

import asyncio
import contextlib
import ctypes
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import asyncpg
import structlog
import uvicorn

from subgraphs.kit.logs import configure
from subgraphs.kit.migrations import MigrationError
from subgraphs.kit.revocation import RevokedTokens
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.kit.tasks import cancel

log = structlog.get_logger("subgraphs.serve")

_PR_SET_PDEATHSIG = 1


Bootstrap = Callable[..., Service]
"""Makes a service from its settings: the function `bootstrap` in the service's module `app`.

If the service calls others, the function has a second, optional parameter: the transport for these calls.
"""


def load_bootstrap(name: str, package: str | None = None) -> Bootstrap:
    """Return the function `bootstrap` of the service `name`, whose code is in `package`.

    `package` None: `subgraphs.<name>`. The services that the function makes refuse revoked tokens. Raises
    ServiceSettingsError if there is no such service.
    """
    module = f"{package or f'subgraphs.{name}'}.app"
    if not name.isidentifier() or _spec_of(module) is None:
        raise ServiceSettingsError(
            f"there is no service {name!r}: choose one of {', '.join(_service_names())}"
        )
    return guarded(importlib.import_module(module).bootstrap)


def guarded(bootstrap: Bootstrap) -> Bootstrap:
    """Return a function that makes the service that `bootstrap` makes, and makes it refuse revoked tokens."""

    def make(settings: ServiceSettings, *others: Any) -> Service:
        return bootstrap(settings, *others).guard(RevokedTokens(settings.redis_url, settings.clock))

    return make


def _spec_of(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None


def _service_names() -> list[str]:
    """Return the names of the services in the package `subgraphs`: its folders with a module `app`."""
    return sorted(path.parent.name for path in Path(__file__).parents[1].glob("*/app.py"))


class Server(uvicorn.Server):
    """uvicorn's server without its signal handling.

    uvicorn raises a received signal again after its end, which would kill the process before the service's
    parts are stopped.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: `serve` handles signals."""
        yield


def config_of(service: Service, host: str, port: int) -> uvicorn.Config:
    """Return uvicorn's configuration for a service.

    Idle connections stay open for an hour: if the server closed one while the gateway sends a mutation on it,
    the mutation would fail, because it must not be sent twice.
    """
    return uvicorn.Config(
        service.asgi,
        host=host,
        port=port,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=10,
    )


async def serve(service: Service, host: str, port: int) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent process.

    Raises ServiceSettingsError if the service cannot use its database.
    """
    parent = os.getppid()
    server = Server(config_of(service, host, port))
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, server.handle_exit, each, None)
    try:
        await service.start()
    except (OSError, asyncpg.PostgresError) as error:
        raise ServiceSettingsError(f"{service!r} cannot start, its database failed: {error}") from error
    watch = asyncio.create_task(_watch_parent(parent, server))
    try:
        await server.serve()
    finally:
        await cancel(watch)
        await service.stop()


async def _watch_parent(parent: int, server: uvicorn.Server) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - there is no event for a changed parent
        await asyncio.sleep(1)
    server.should_exit = True


def die_with_parent() -> None:
    """On Linux, make the kernel send SIGTERM to this process when its parent ends; elsewhere do nothing.

    On other systems `serve` notices the end of the parent: every second it compares the parent's id.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def main(arguments: Sequence[str]) -> int:
    """Run the service that the command line names; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write(
            f"usage: python -m subgraphs.kit.serve SERVICE, one of {', '.join(_service_names())}\n"
        )
        return 2
    try:
        run(arguments[0], os.environ)
    except (ServiceSettingsError, MigrationError, OSError) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 1
    return 0


def run(name: str, environment: Mapping[str, str], package: str | None = None) -> None:
    """Run the service `name` in this process until a signal ends it (see `serve`).

    `environment`: its settings (`ServiceSettings.from_env`); `package`: see `load_bootstrap`. Raises
    ServiceSettingsError, MigrationError, OSError.
    """
    bootstrap, settings = load_bootstrap(name, package), ServiceSettings.from_env(name, environment)
    die_with_parent()
    configure(name)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(bootstrap, settings))


async def _run(bootstrap: Bootstrap, settings: ServiceSettings) -> None:
    await serve(bootstrap(settings), settings.host, settings.port)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory of event loops; None if uvloop is not installed."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
