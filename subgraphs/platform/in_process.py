"""`mussikon run --in-process`: runs all services and the gateway in one process.

The gateway calls the services' functions without HTTP. Only the servers are processes of their own.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import replace

import uvicorn

from gateway.app import create_app
from gateway.config.load import read_config
from gateway.transport.local import LocalTransport
from subgraphs.kit.serve import Server, load_bootstrap
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.platform.console import say, step, welcome
from subgraphs.platform.environment import environment_of, gateway_environment
from subgraphs.platform.options import GATEWAY_CONFIG, Options
from subgraphs.platform.preparation import KeyFiles, prepare
from subgraphs.platform.servers import Servers


def _services(options: Options, servers: Servers, keys: KeyFiles) -> list[Service]:
    """Make all services; a service that calls others calls their functions without HTTP."""
    made: dict[str, Service] = {}
    for row in options.services:
        settings = ServiceSettings.from_env(row.name, environment_of(row.name, options, servers, keys))
        bootstrap = load_bootstrap(row.name, row.module)
        if row.calls:
            made[row.name] = bootstrap(
                settings, LocalTransport({name: made[name].execute for name in row.calls})
            )
        else:
            made[row.name] = bootstrap(settings)
    return list(made.values())


async def run_in_process(options: Options, servers: Servers) -> None:
    """Prepare databases and data, and serve the platform until SIGINT, SIGTERM or SIGHUP.

    Raises LaunchError.
    """
    keys, has_sample = await prepare(options, servers)
    services = _services(options, servers, keys)
    started: list[Service] = []
    try:
        with step("services and gateway"):
            for service in services:
                await service.start()
                started.append(service)
            await _serve(options, services, gateway_environment(options, servers, keys), has_sample)
    finally:
        for service in reversed(started):
            await service.stop()


async def _serve(
    options: Options, services: list[Service], environment: Mapping[str, str], has_sample: bool
) -> None:
    """Serve the gateway in front of the services. `environment`: the variables of `gateway.yaml`."""
    local = {service.name: service.execute for service in services}
    supergraph = await asyncio.to_thread((options.schema / "supergraph.graphql").read_text)
    settings = replace(
        read_config(GATEWAY_CONFIG, {**os.environ, **environment}),
        operations=str(options.schema / "operations"),
        extensions=frozenset(options.services.extensions),
    )
    app = create_app(supergraph, settings, local)
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
    server = Server(config)
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(ending, server.handle_exit, ending, None)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    if server.started:
        welcome(options, has_sample)
    await serving
    say("Stopping ...")
