"""One service as a process: `python -m subgraphs.kit.serve users`, settings from the environment.

It ends by SIGTERM or SIGINT, after the requests that are under way, and when the process that started it is
gone.
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

import asyncpg
import structlog
import uvicorn

from subgraphs.kit.logs import configure
from subgraphs.kit.migrations import MigrationError
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.kit.tasks import cancel

log = structlog.get_logger("subgraphs.serve")

_PR_SET_PDEATHSIG = 1


Bootstrap = Callable[..., Service]
"""Settings in, service out; the bootstrap of a service that asks others also takes the transport to them."""


def load_bootstrap(name: str, package: str | None = None) -> Bootstrap:
    """The `bootstrap` of the service whose code is in `package` (None: `subgraphs.<name>`). Raises
    SettingsError."""
    module = f"{package or f'subgraphs.{name}'}.app"
    if not name.isidentifier() or _spec_of(module) is None:
        raise ServiceSettingsError(f"there is no service {name!r}; there are {', '.join(_service_names())}")
    found: Bootstrap = importlib.import_module(module).bootstrap
    return found


def _spec_of(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None


def _service_names() -> list[str]:
    """The services whose code lies beside the kit."""
    return sorted(path.parent.name for path in Path(__file__).parents[1].glob("*/app.py"))


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: it would raise a signal again after its end, and kill the
    process before the parts are stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever runs the server."""
        yield


def config_of(service: Service, host: str, port: int) -> uvicorn.Config:
    """How a service is served.

    Idle connections are left open for an hour: one that we close while the gateway sends a mutation on it
    makes an error, for nobody may send a mutation twice.
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
    """Serve until a signal comes or the parent dies."""
    parent = os.getppid()
    server = Server(config_of(service, host, port))
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, server.handle_exit, each, None)
    try:
        await service.start()
    except (OSError, asyncpg.PostgresError) as error:
        raise ServiceSettingsError(f"{service!r} cannot start: {error}") from error
    watch = asyncio.create_task(_watch_parent(parent, server))
    try:
        await server.serve()
    finally:
        await cancel(watch)
        await service.stop()


async def _watch_parent(parent: int, server: uvicorn.Server) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells of an adoption, one has to look
        await asyncio.sleep(1)
    server.should_exit = True


def die_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent dies; other systems rely on the look at the parent's id."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def main(arguments: Sequence[str]) -> int:
    """Run the service that the command line names."""
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
    """Be the process of this service until it ends; also the way for one that was forked."""
    bootstrap, settings = load_bootstrap(name, package), ServiceSettings.from_env(name, environment)
    die_with_parent()
    configure(name)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(bootstrap, settings))


async def _run(bootstrap: Bootstrap, settings: ServiceSettings) -> None:
    await serve(bootstrap(settings), settings.host, settings.port)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
