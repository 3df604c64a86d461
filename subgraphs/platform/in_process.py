"""`mussikon run --in-process`: all services and the gateway in one process, over servers that run."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvicorn

from gateway.app import create_app
from gateway.settings import Settings
from gateway.transport.local import LocalTransport
from subgraphs.kit.serve import bootstrap_of
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.orchestration.app import bootstrap as orchestration
from subgraphs.platform.console import say, step, welcome
from subgraphs.platform.plan import EXTENSIONS, SCHEMA, SERVICES, Options
from subgraphs.platform.preparation import Keys, let_services_in, make_keys, prepare_databases, prepare_sample
from subgraphs.platform.servers import Servers, check_servers
from subgraphs.read_side.app import bootstrap as read_side
from subgraphs.sync.app import bootstrap as sync

_ASKING: Mapping[str, Callable[[ServiceSettings, LocalTransport], Service]] = {
    "orchestration": orchestration,
    "read_side": read_side,
    "sync": sync,
}
"""The services that ask others: those that stand before them in the street."""


class _Server(uvicorn.Server):
    """Signals are ours: uvicorn would raise them once more when it has ended."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def _services(servers: Servers, keys: Keys) -> list[Service]:
    """All of them; sagas and the read side reach the others by direct calls."""
    private = {"users": keys.private, "orchestration": keys.service, "sync": keys.service}
    made: dict[str, Service] = {}
    for name in SERVICES:
        settings = ServiceSettings(
            name=name,
            database_url=servers.url_for(name),
            redis_url=servers.redis_url,
            jwt_public_key_file=keys.public,
            jwt_private_key_file=private.get(name),
        )
        if name in _ASKING:
            way = LocalTransport({other: service.execute for other, service in made.items()})
            made[name] = _ASKING[name](settings, way)
        else:
            made[name] = bootstrap_of(name)(settings)
    return list(made.values())


async def run_in_process(options: Options, servers: Servers) -> None:
    """Serve until a signal comes."""
    await check_servers(options, servers)
    keys = make_keys(options.data)
    await prepare_databases(servers)
    has_sample = await prepare_sample(servers, options)
    await let_services_in(servers)
    services = _services(servers, keys)
    started: list[Service] = []
    try:
        with step("services and gateway"):
            for service in services:
                await service.start()
                started.append(service)
            await _serve(options, services, has_sample)
    finally:
        for service in reversed(started):
            await service.stop()


async def _serve(options: Options, services: list[Service], has_sample: bool) -> None:
    local = {service.name: service.execute for service in services}
    supergraph = await asyncio.to_thread(Path(SCHEMA / "supergraph.graphql").read_text)
    app = create_app(
        supergraph, Settings(operations=str(SCHEMA / "operations"), extensions=frozenset(EXTENSIONS)), local
    )
    config = uvicorn.Config(
        app,
        options.host,
        options.port,
        loop="none",
        http="gateway.http.direct:DirectProtocol",
        ws="none",
        log_level="warning",
        access_log=False,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(ending, server.handle_exit, ending, None)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    if server.started:
        welcome(options, has_sample)
    await serving
    say("Ending ...")
