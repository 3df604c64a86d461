"""One service as a process: `python -m subgraphs.kit.serve users`, settings from the environment.

It ends by SIGTERM or SIGINT, after the requests that are under way, and when the process that started it is gone.
"""

import asyncio
import contextlib
import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Callable

import structlog
import uvicorn

from subgraphs.kit.logs import configure
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings, SettingsError

log = structlog.get_logger("subgraphs.serve")

SERVICES = ("users", "musicians", "reviews", "requests", "matching", "notifications")
_PR_SET_PDEATHSIG = 1


def bootstrap_of(name: str) -> Callable[[ServiceSettings], Service]:
    """The `bootstrap` of the service of this name; the kit knows services by name only."""
    if name not in SERVICES:
        raise SettingsError(f"there is no service {name!r}; there are {', '.join(SERVICES)}")
    found: Callable[[ServiceSettings], Service] = importlib.import_module(f"subgraphs.{name}.app").bootstrap
    return found


async def serve(service: Service, host: str, port: int) -> None:
    """Serve until a signal comes or the parent dies."""
    parent = os.getppid()
    config = uvicorn.Config(
        service.asgi,
        host=host,
        port=port,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    await service.start()
    watch = asyncio.create_task(_watch_parent(parent, server))
    try:
        await server.serve()
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        await service.stop()


async def _watch_parent(parent: int, server: uvicorn.Server) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells of an adoption, one has to look
        await asyncio.sleep(1)
    server.should_exit = True


def die_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent dies; other systems rely on the look at the parent's id."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def main() -> int:
    """Run the service that the command line names."""
    if len(sys.argv) != 2:
        sys.stderr.write(f"usage: python -m subgraphs.kit.serve SERVICE, one of {', '.join(SERVICES)}\n")
        return 2
    die_with_parent()
    configure(sys.argv[1])
    try:
        bootstrap = bootstrap_of(sys.argv[1])
        settings = ServiceSettings.from_env(sys.argv[1])
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(bootstrap(settings), settings.host, settings.port))
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"{sys.argv[1]}: {error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


if __name__ == "__main__":
    sys.exit(main())
