"""The processes of the client tests: two subgraphs, and gateways with one worker and with two."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import yaml
from joserfc import jwt
from joserfc.jwk import ECKey
from redis.asyncio import Redis

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from tests.clients.happened import PATIENCE
from tests.clients.subgraphs import SCHEMAS

ROOT = Path(__file__).parent.parent.parent
EVENTS = """extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
type Query { events: Int }
type Subscription { changed(id: ID): Product }
type Product @key(fields: "id", resolvable: false) { id: ID! }
"""
STREAM = "client-events"
HEARTBEATS = {1: 0.1, 2: 300.0}
"""Seconds between heartbeats, by workers: so often that clients receive some, and so rarely that they
do not.
"""
MORE = "type Query { more: Int }"  # another subgraph, which a reload adds


KEYS = {name: ECKey.generate_key("P-256") for name in ("old", "new")}
"""The keys of the tokens' issuer, by their ids."""


def token(key: str) -> str:
    """Return a token, each time another one of the same caller."""
    claims = {"sub": "ada", "exp": int(time.time()) + 3_600, "jti": token_hex(8)}
    return str(jwt.encode({"alg": "ES256", "kid": key}, claims, KEYS[key], algorithms=["ES256"]))


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def supergraph(ports: Mapping[str, int], more: bool = False) -> str:
    """Return the supergraph SDL. `more`: whether it has another subgraph, besides those of the ports."""
    sources = [
        SubgraphSource(name, f"http://127.0.0.1:{port}/graphql/", str(SCHEMAS[name].as_str()))
        for name, port in ports.items()
    ]
    sources.append(SubgraphSource("events", "http://127.0.0.1:9/", EVENTS))
    if more:
        sources.append(SubgraphSource("more", "http://127.0.0.1:9/", MORE))
    return compose(sources).supergraph


@dataclass
class Process:
    """A process that serves a port. `command`: with `PORT` for the port; `log`: its output."""

    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; return when the port answers."""
        command = [one.replace("PORT", str(self.port)) for one in self.command]
        variables = {**os.environ, **self.environment}
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdout=output, stderr=output, env=variables, start_new_session=True
            )
        await self.answers()

    async def answers(self) -> None:
        """Wait until the port answers."""
        async with asyncio.timeout(60):
            while True:
                assert self.process is not None and self.process.returncode is None, self.log.read_text()
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, with its workers."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            await self.process.wait()
            self.process = None

    @property
    def url(self) -> str:
        """Return the URL of its GraphQL endpoint."""
        return f"http://127.0.0.1:{self.port}/graphql"

    async def logged(self, text: str, times: int = 1) -> None:
        """Wait until the log has a text this often."""
        async with asyncio.timeout(PATIENCE):
            while self.log.read_text().count(text) < times:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)


@dataclass
class World:
    """The processes. `gateways`: by the number of their workers. `folder`: of their files."""

    prices: Process
    names: Process
    gateways: dict[int, Process]
    folder: Path
    http: httpx.AsyncClient
    redis: Redis

    async def readers(self, id: str) -> int:
        """Return the number of subscribers of a product, at its subgraph."""
        return await self._ask("GET", f"/readers?id={id}")

    async def push(self, id: str, cents: int) -> None:
        """Change a price; at least one subscriber receives it."""
        assert await self._ask("POST", f"/push?id={id}&cents={cents}") > 0

    async def _ask(self, method: str, path: str) -> int:
        found = await self.http.request(method, f"http://127.0.0.1:{self.prices.port}{path}")
        return int(found.json())

    async def has_readers(self, id: str, count: int) -> None:
        """Wait until a product has this many subscribers."""
        deadline = time.monotonic() + PATIENCE
        while (found := await self.readers(id)) != count:
            assert time.monotonic() < deadline, f"{id}: expected {count} subscribers, got {found}"
            await asyncio.sleep(0.005)

    async def publish(self, id: str, name: str) -> None:
        """Add an event about a product to the stream in Redis."""
        await self.redis.xadd(STREAM, {"payload": json.dumps({"id": id, "product": name})})

    def write_supergraph(self, *, more: bool) -> None:
        """Write the supergraph."""
        ports = {"prices": self.prices.port, "names": self.names.port}
        (self.folder / "supergraph.graphql").write_text(supergraph(ports, more))

    def write_keys(self, *names: str) -> None:
        """Write the key set of the tokens' issuer, with some of the keys."""
        keys = [{**KEYS[name].as_dict(private=False), "kid": name} for name in names]
        (self.folder / "jwks.json").write_text(json.dumps({"keys": keys}))


def configuration(folder: Path, redis_url: str) -> dict[str, Any]:
    """Return the configuration of the gateways, as in a file."""
    issuer = {"name": "main", "jwks_file": str(folder / "jwks.json"), "poll": 0.2}
    value = {"__typename": "Product", "id": "{payload.product}"}
    where = [{"event": ["payload.id"], "argument": "id"}]
    changed = {"streams": [STREAM], "value": json.dumps(value), "where": where}
    return {
        "supergraph": str(folder / "supergraph.graphql"),
        "limits": {"batch": 10},
        "headers": {"forward": ["authorization"]},  # `fetch` sends `accept-language`, others do not
        "authentication": {"issuers": [issuer]},
        "redis": {"url": redis_url},
        "subscriptions": {"check_identity": 0.5, "redis": {"fields": {"changed": changed}}},
    }


@asynccontextmanager
async def running(folder: Path, redis_url: str) -> AsyncIterator[World]:
    """Run the processes."""
    python = (sys.executable, "-m")
    prices, names = (
        Process((*python, "tests.clients.subgraphs", name, "PORT"), folder / f"{name}.log")
        for name in ("prices", "names")
    )
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration(folder, redis_url)))
    serve = (*python, "gateway.cli", "serve", "--config", str(config), "--port", "PORT", "--workers")
    gateways = {
        workers: Process(
            (*serve, str(workers)),
            folder / f"gateway-{workers}.log",
            {"GATEWAY__SUBSCRIPTIONS__HEARTBEAT": str(HEARTBEATS[workers])},
        )
        for workers in HEARTBEATS
    }
    async with httpx.AsyncClient() as http, AsyncExitStack() as stack, Redis.from_url(redis_url) as redis:
        world = World(prices, names, gateways, folder, http, redis)
        world.write_supergraph(more=False)
        world.write_keys(*KEYS)
        every = (prices, names, *gateways.values())
        for one in every:
            stack.push_async_callback(one.end)
        await asyncio.gather(*(one.start() for one in every))
        yield world
