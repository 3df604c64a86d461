"""Invalidations, stampedes and failures of Redis with four gateways: `make bench-cache-faults`.

- How long after the reply to an invalidation all gateways return the new value.
- How many subgraph requests 1,000 clients cause that ask at once for one entity that has expired.
- What clients see while Redis is stopped, hangs, is full, is wiped or is started again under load.
"""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvloop
from redis import Redis

from bench.clients import Client, Load
from bench.data import WORK
from bench.musicians import QUERY
from bench.report import machine, save_rows, write_section
from bench.zipf import SECRET, gateway, subgraphs, zipf
from subgraphs.platform.valkey import ValkeyServer, start_valkey

GATEWAYS, STALENESS, LIFETIME = 4, 2.0, 5
CONFIG = """redis: {{url: "{url}"}}
cache: {{enabled: true, redis: true, staleness: {staleness}s, invalidation: {{secret: {secret}}},
  types: {{Musician: {{lifetime: {lifetime}s}}}}}}
"""
AUTHORIZATION = f"authorization: Bearer {SECRET}\r\n"
TEXT = """Printed by `make bench-cache-faults` on {date} ({machine}).
Four gateways with one Valkey, gateways, servers and clients on the same machine. *Seen by all*: from the
reply to the invalidation until each gateway has returned the new value, {rounds} times. Under failures: 50
connections with the Zipf mix. Without Redis a gateway may use old values for {staleness:g} seconds."""


class Town:
    """The servers. `redis`: the present one, which is stopped and started; `program`: what it runs."""

    def __init__(
        self, ports: list[int], there: int, redis: ValkeyServer, folder: Path, program: str | None
    ) -> None:
        self.program = program
        self.ports = ports
        self.there = there
        self.redis = redis
        self.folder = folder

    def client(self) -> "Redis":
        """Return a client of Redis."""
        return Redis.from_url(self.redis.url)

    def process(self) -> int:
        """Return the process id of Redis."""
        return int(self.client().info("server")["process_id"])

    async def change(self, number: int = 1) -> None:
        """Give a musician a new name, and invalidate it."""
        client = Client(self.there)
        await client.post(f"/change?id={number}", b"")
        client.close()
        entry = {"kind": "entity", "type": "Musician", "key": {"id": str(number)}}
        gate = Client(self.ports[0])
        await gate.post("/cache/invalidate", orjson.dumps(entry), AUTHORIZATION)
        gate.close()


async def name_of(client: Client, number: int = 1) -> str:
    """Return the name of a musician."""
    found = await client.query(QUERY, {"ids": [str(number)]})
    return str(found["musicians"][0]["name"])


async def seen_by_all(town: Town, rounds: int) -> list[float]:
    """Return the milliseconds after which all gateways have seen an invalidation."""
    clients = [Client(port) for port in town.ports]
    delays = []
    for number in range(1, rounds + 1):
        await asyncio.gather(*(name_of(client) for client in clients))
        await town.change()
        begin = time.perf_counter()
        waiting = list(clients)
        while waiting:
            names = await asyncio.gather(*(name_of(client) for client in waiting))
            wanted = f"Musician 1 ({number})"
            waiting = [one for one, name in zip(waiting, names, strict=True) if name != wanted]
        delays.append((time.perf_counter() - begin) * 1_000)
    for client in clients:
        client.close()
    return sorted(delays)


async def stampede(town: Town, clients: int) -> int:
    """Return for how many entities the subgraph is asked when clients want one that has expired."""
    first = [Client(port) for port in town.ports]
    await asyncio.gather(*(name_of(client, 7) for client in first))
    await asyncio.sleep(LIFETIME + 0.2)  # until the entity has expired
    several = [Client(town.ports[number % GATEWAYS]) for number in range(clients)]
    await asyncio.gather(*(client.query("{__typename}", {}) for client in several))
    control = Client(town.there)
    await control.post("/slow?ms=50", b"")
    await control.post("/reset", b"")
    await asyncio.gather(*(name_of(client, 7) for client in several))
    await control.post("/slow?ms=0", b"")
    for client in (*first, *several):
        client.close()
    return int(orjson.loads(await control.post("/reset", b"")).get("entities", 0))


async def under_load(town: Town, seconds: float, act: Callable[[], Awaitable[None]] | None) -> Load:
    """Send the Zipf mix for some seconds; after a third of them do what `act` does."""
    load, end = Load(), time.perf_counter() + seconds
    running = asyncio.ensure_future(load.run(town.ports, zipf(3), lambda: time.perf_counter() < end, 50))
    await asyncio.sleep(seconds / 3)
    if act is not None:
        await act()
    await running
    return load


def faults(town: Town) -> dict[str, Callable[[], Awaitable[None]] | None]:
    """Return what happens to Redis under load, by name."""

    async def stop() -> None:
        town.redis.stop()

    async def start() -> None:
        start = partial(start_valkey, town.folder, durable=False, program=town.program)
        town.redis = await asyncio.to_thread(start)

    async def hang() -> None:
        process = await asyncio.to_thread(town.process)
        os.kill(process, signal.SIGSTOP)
        await asyncio.sleep(1)
        os.kill(process, signal.SIGCONT)

    async def fill() -> None:
        town.client().config_set("maxmemory-policy", "noeviction")
        town.client().config_set("maxmemory", 1)

    async def empty() -> None:
        town.client().config_set("maxmemory", 0)
        town.client().flushall()

    return {
        "nothing": None,
        "hangs for a second": hang,
        "is full": fill,
        "is wiped": empty,
        "is stopped": stop,
        "is started again": start,
    }


async def stale_after_loss(town: Town) -> float:
    """Stop Redis, change a value, and return the seconds until no gateway returns the old one."""
    clients = [Client(port) for port in town.ports]
    await asyncio.gather(*(name_of(client, 9) for client in clients))
    town.redis.stop()
    begin = time.perf_counter()
    client = Client(town.there)
    await client.post("/change?id=9", b"")
    client.close()
    old = True
    while old:
        names = await asyncio.gather(*(name_of(one, 9) for one in clients))
        old = any("(" not in name for name in names)
    return time.perf_counter() - begin


async def measure(town: Town, rounds: int, seconds: float) -> list[tuple[str, str]]:
    """Return the rows of the report."""
    delays = await seen_by_all(town, rounds)
    p50, p99 = delays[len(delays) // 2], delays[int((len(delays) - 1) * 0.99)]
    rows = [
        (
            "invalidation seen by all: p50 / p99 / largest (aim: p99 < 50 ms)",
            f"{p50:.1f} / {p99:.1f} / {delays[-1]:.1f} ms",
        ),
        (
            "1,000 clients, one expired entity: asked of the subgraph (aim 1)",
            str(await stampede(town, 1_000)),
        ),
    ]
    for name, act in faults(town).items():
        load = await under_load(town, seconds, act)
        shown = f"{load.percentile(0.5):.0f} / {load.percentile(0.99):.0f} / {load.percentile(1):.0f} ms"
        failed = sum(load.failed.values())
        rows.append(
            (
                f"Redis {name}: failed of all, p50 / p99 / largest",
                f"{failed} of {len(load.latencies):,}, {shown}",
            )
        )
        if failed:
            print(load.failed)
    rows.append(
        (
            "Redis stopped: seconds with an old value (bound: staleness)",
            f"{await stale_after_loss(town):.2f} of {STALENESS:g}",
        )
    )
    return rows


def run(rounds: int, seconds: float, program: str | None = None) -> list[tuple[str, str]]:
    """Start the servers, and return the rows of the report. `program`: instead of Valkey."""
    folder = WORK / "valkey-coherence"
    redis = start_valkey(folder, durable=False, program=program)
    with ExitStack() as stack:
        there = stack.enter_context(subgraphs())
        given = {"staleness": STALENESS, "secret": SECRET, "lifetime": LIFETIME}
        config = CONFIG.format(url=redis.url, **given)
        ports = [
            stack.enter_context(gateway(there, config, f"coherence-{one}"))[1] for one in range(GATEWAYS)
        ]
        town = Town(ports, there, redis, folder, program)
        stack.callback(lambda: town.redis.stop())
        found: Any = uvloop.run(measure(town, rounds, seconds))
    return list(found)


def main() -> None:
    """Measure, print and save the results, and write them into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=6.0, help="of load for one failure")
    parser.add_argument("--quick", action="store_true", help="nothing is written")
    parser.add_argument("--server", help="a program to measure instead of Valkey, such as redis-server")
    options = parser.parse_args()
    rows = run(options.rounds, options.seconds, options.server)
    if options.quick or options.server:
        print("\n".join(f"{what:70} {measured}" for what, measured in rows))
        return
    given = {"rounds": options.rounds, "staleness": STALENESS}
    text = TEXT.format(date=f"{datetime.now(UTC):%Y-%m-%d}", machine=machine(), **given)
    save_rows("coherence", "Invalidations and failures", text, rows)
    write_section("coherence")


if __name__ == "__main__":
    main()
