"""`mussikon run`: servers, databases, services and the gateway, each a process, all of them gone at the end."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from subgraphs.platform import control, processes
from subgraphs.platform.console import say, step, welcome
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.forks import Zygote
from subgraphs.platform.plan import EXTENSIONS, SCHEMA, SERVICES, Options
from subgraphs.platform.preparation import Keys, let_services_in, make_keys, prepare_databases, prepare_sample
from subgraphs.platform.servers import Servers, check_servers
from subgraphs.platform.supervisor import PolledProcess, Process, Supervisor, Unit

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Launcher:
    """One run of the platform."""

    def __init__(self, options: Options, servers: Servers) -> None:
        """Over servers that run."""
        self._options = options
        self._servers = servers
        self._logs = (options.data / "logs").resolve()
        self._zygote = Zygote(self._logs / "zygote.log", processes.marked(options.data))
        self._supervisor = Supervisor(say)
        self._hurry = False

    async def run(self) -> None:
        """Start everything, wait for a signal, and end everything."""
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for ending in _ENDINGS:
            loop.add_signal_handler(ending, self._end, task)
        server: asyncio.Server | None = None
        try:
            await self._start()
            server = await control.listen(self._options.data / "run", self._obey)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            say("Ending ...")
        finally:
            if server is not None:
                server.close()
            await self._stop()

    def _end(self, task: "asyncio.Task[None] | None") -> None:
        """The first signal ends in order, the second at once."""
        if self._hurry:
            for unit in self._supervisor.units.values():
                if unit.process is not None:
                    unit.process.signal(signal.SIGKILL)
        elif task is not None:
            self._hurry = True
            task.cancel()

    async def _start(self) -> None:
        options, servers = self._options, self._servers
        await self._zygote.start()
        await check_servers(options, servers)
        keys = make_keys(options.data)
        await prepare_databases(servers)
        has_sample = await prepare_sample(servers, options)
        await let_services_in(servers)
        await self._watch_servers()
        with step("services and gateway"):
            units = [self._gateway(), *(self._service(name, keys) for name in SERVICES)]
            async with asyncio.TaskGroup() as group:
                for unit in units:
                    group.create_task(self._supervisor.add(unit))
        welcome(options, has_sample)

    async def _watch_servers(self) -> None:
        """Have our own servers started again should they die."""
        servers = self._servers
        if servers.postgres is not None:
            again = self._restarting(servers.postgres.process, lambda: servers.start_postgres().process)
            await self._supervisor.add(self._unit("postgres", again, _at_once, signal.SIGINT))
        if servers.valkey is not None:
            again = self._restarting(servers.valkey.process, lambda: servers.start_valkey().process)
            await self._supervisor.add(self._unit("valkey", again, _at_once))

    def _restarting(
        self, first: "subprocess.Popen[bytes]", start: Callable[[], "subprocess.Popen[bytes]"]
    ) -> Callable[[], Awaitable[Process]]:
        waiting = [first]

        async def launch() -> Process:
            return PolledProcess(waiting.pop() if waiting else start())

        return launch

    def _unit(
        self,
        name: str,
        launch: Callable[[], Awaitable[Process]],
        is_ready: Callable[[], Awaitable[bool]],
        ending: signal.Signals = signal.SIGTERM,
    ) -> Unit:
        folder = self._options.data.resolve() / name if name in ("postgres", "valkey") else self._logs
        return Unit(name, launch, is_ready, str(folder / f"{name}.log"), ending)

    def _service(self, name: str, keys: Keys) -> Unit:
        port, log = self._options.port_of(name), self._logs / f"{name}.log"

        async def launch() -> Process:
            return await self._zygote.fork(name, self._environment(name, keys, port), log)

        async def is_ready() -> bool:
            return await processes.http_status("127.0.0.1", port, "/health/ready") == 200

        return self._unit(name, launch, is_ready)

    def _environment(self, name: str, keys: Keys, port: int) -> dict[str, str]:
        own: dict[str, str] = {}
        if name == "users":
            own = {"JWT_PRIVATE_KEY_FILE": str(keys.private)}
        elif name in ("orchestration", "sync"):
            own = {"JWT_PRIVATE_KEY_FILE": str(keys.service), **self._others(name)}
        elif name == "read_side":
            own = self._others(name)
        return {
            "DATABASE_URL": self._servers.url_for(name),
            "REDIS_URL": self._servers.redis_url,
            "JWT_PUBLIC_KEY_FILE": str(keys.public),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            **own,
        }

    def _others(self, name: str) -> dict[str, str]:
        """Where the other services answer, for one that asks them."""
        return {"SERVICE_URLS": json.dumps({other: self._options.url_of(other) for other in SERVICES if other != name})}

    def _gateway(self) -> Unit:
        options, log = self._options, self._logs / "gateway.log"
        command = [sys.executable, "-m", "gateway.cli", "serve", "--supergraph", str(SCHEMA / "supergraph.graphql")]
        command += ["--host", options.host, "--port", str(options.port), "--workers", str(options.workers)]
        command += ["--operations", str(SCHEMA / "operations")]
        for key in EXTENSIONS:
            command += ["--extension", key]
        for name in SERVICES:
            command += ["--subgraph-url", f"{name}={options.url_of(name)}"]

        marked = processes.marked(options.data)

        async def launch() -> Process:
            return PolledProcess(processes.spawn(command, Path.cwd(), log, signal.SIGTERM, environment=marked))

        async def is_ready() -> bool:
            """Alive is enough: which services it reaches is said by them, and one may be stopped on purpose."""
            return await processes.http_status(options.gateway_host, options.port, "/health/live") == 200

        return self._unit("gateway", launch, is_ready)

    async def _obey(self, do: str, name: str) -> Any:
        """An order of `mussikon stop`, `start` or `status`."""
        units = self._supervisor.units
        if do == "status":
            return {
                unit.name: {"state": unit.state, "pid": unit.process.pid if unit.process else None}
                for unit in units.values()
            }
        if name not in (*SERVICES, "gateway"):
            raise LaunchError(f"There is no {name!r} to {do}.", f"Say one of {', '.join(SERVICES)}, gateway")
        return await (self._supervisor.stop(name) if do == "stop" else self._supervisor.start(name))

    async def _stop(self) -> None:
        """In the order of who needs whom; what a step throws must not keep the next one from being taken."""
        for names in (["gateway"], list(SERVICES)):
            with contextlib.suppress(Exception):
                await self._supervisor.stop_all(names)
        with contextlib.suppress(Exception):
            await self._zygote.stop()
        with contextlib.suppress(Exception):
            await self._supervisor.stop_all(["valkey", "postgres"])


async def _at_once() -> bool:
    """The servers are ready when their start returns."""
    return True
