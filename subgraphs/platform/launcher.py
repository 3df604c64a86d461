"""`mussikon run`: starts services and gateway, each as a process, supervises them, and stops all at the end.

`cli` has started the servers before. `supervisor` restarts processes that end unexpectedly.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from subgraphs.platform import control, processes
from subgraphs.platform.console import say, step, welcome
from subgraphs.platform.environment import environment_of, gateway_environment
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.forks import Zygote
from subgraphs.platform.options import GATEWAY_CONFIG, Options
from subgraphs.platform.preparation import KeyFiles, prepare
from subgraphs.platform.servers import Servers
from subgraphs.platform.supervisor import PolledProcess, Process, Supervisor, Unit
from subgraphs.platform.tables import SERVERS, ServerRow, ServiceRow

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Launcher:
    """One run of the platform; `servers` are running already."""

    def __init__(self, options: Options, servers: Servers) -> None:
        self._options = options
        self._servers = servers
        self._logs = (options.data / "logs").resolve()
        self._services = options.services
        packages = [row.module for row in options.services]
        self._zygote = Zygote(self._logs / "zygote.log", processes.marked_environment(options.data), packages)
        self._supervisor = Supervisor(say)
        self._is_stopping = False

    async def run(self) -> None:
        """Start everything, wait for a signal, and stop everything. Raises LaunchError."""
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for stop_signal in _STOP_SIGNALS:
            loop.add_signal_handler(stop_signal, self._on_signal, task)
        server: asyncio.Server | None = None
        try:
            await self._start()
            server = await control.serve_orders(self._options.data / "run", self._execute_order)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            say("Stopping ...")
        finally:
            if server is not None:
                server.close()
            await self._stop()

    def _on_signal(self, task: "asyncio.Task[None] | None") -> None:
        """Stop everything in order at the first signal; kill all processes at the second.

        `task`: the task of `run`, which is cancelled at the first signal.
        """
        if self._is_stopping:
            for unit in self._supervisor.units.values():
                if unit.process is not None:
                    unit.process.signal(signal.SIGKILL)
        elif task is not None:
            self._is_stopping = True
            task.cancel()

    async def _start(self) -> None:
        options, servers = self._options, self._servers
        await self._zygote.start()
        keys, has_sample = await prepare(options, servers)
        await self._watch_servers()
        with step("services and gateway"):
            units = [self._gateway(keys), *(self._service(row, keys) for row in self._services)]
            async with asyncio.TaskGroup() as group:
                for unit in units:
                    group.create_task(self._supervisor.add(unit))
        welcome(options, has_sample)

    async def _watch_servers(self) -> None:
        """Add the embedded servers to the supervisor, which restarts a server that ends unexpectedly."""
        for row in SERVERS:
            if row.name in self._servers.embedded:
                log = self._options.data.resolve() / row.name / f"{row.name}.log"
                await self._supervisor.add(
                    Unit(row.name, self._launch_server(row), _always_ready, str(log), row.stop_signal)
                )

    def _launch_server(self, row: ServerRow) -> Callable[[], Awaitable[Process]]:
        """Return the function by which the supervisor launches a server.

        Its first call returns the process that runs already; later calls start a new one.
        """
        running = [self._servers.embedded[row.name].process]

        async def launch() -> Process:
            return PolledProcess(running.pop() if running else self._servers.start(row).process)

        return launch

    def _service(self, row: ServiceRow, keys: KeyFiles) -> Unit:
        port, log = self._options.port_of(row.name), self._logs / f"{row.name}.log"

        async def launch() -> Process:
            environment = environment_of(row.name, self._options, self._servers, keys)
            return await self._zygote.fork(row.name, row.module, environment, log)

        async def is_ready() -> bool:
            return await processes.http_status("127.0.0.1", port, "/health/ready") == 200

        return Unit(row.name, launch, is_ready, str(log))

    def _gateway(self, keys: KeyFiles) -> Unit:
        options, log = self._options, self._logs / "gateway.log"
        supergraph = str(options.schema / "supergraph.graphql")
        command = [sys.executable, "-m", "gateway.cli", "serve"]
        command += ["--config", str(GATEWAY_CONFIG), "--supergraph", supergraph]
        command += ["--host", options.host, "--port", str(options.port), "--workers", str(options.workers)]
        command += ["--operations", str(options.schema / "operations")]
        for key in self._services.extensions:
            command += ["--extension", key]
        for name in self._services.names:
            command += ["--subgraph-url", f"{name}={options.url_of(name)}"]
        environment = {
            **processes.marked_environment(options.data),
            **gateway_environment(options, self._servers, keys),
        }

        async def launch() -> Process:
            return PolledProcess(
                processes.spawn(command, Path.cwd(), log, signal.SIGTERM, environment=environment)
            )

        async def is_ready() -> bool:
            """Return whether the gateway responds to /health/live.

            /health/ready would be too strict: it fails while a service is stopped on purpose.
            """
            return await processes.http_status(options.gateway_host, options.port, "/health/live") == 200

        return Unit("gateway", launch, is_ready, str(log))

    async def _execute_order(self, do: str, name: str) -> Any:
        """Execute an order of `mussikon stop`, `start` or `status`. Raises LaunchError."""
        units = self._supervisor.units
        if do == "status":
            return {
                unit.name: {"state": unit.state, "pid": unit.process.pid if unit.process else None}
                for unit in units.values()
            }
        if name not in (*self._services.names, "gateway"):
            known = ", ".join(self._services.names)
            raise LaunchError(f"There is no process {name!r} to {do}.", f"Choose one of {known}, gateway")
        return await (self._supervisor.stop(name) if do == "stop" else self._supervisor.start(name))

    async def _stop(self) -> None:
        """Stop the gateway, then the services, then the servers, also if one of these steps fails."""
        for names in (["gateway"], list(self._services.names)):
            with contextlib.suppress(Exception):
                await self._supervisor.stop_all(names)
        with contextlib.suppress(Exception):
            await self._zygote.stop()
        with contextlib.suppress(Exception):
            await self._supervisor.stop_all([row.name for row in reversed(SERVERS)])


async def _always_ready() -> bool:
    """Return True: an embedded server is ready when the function that starts it returns."""
    return True
