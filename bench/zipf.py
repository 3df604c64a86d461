"""A Zipf mix over 100,000 musicians, with and without a cache: `make bench-cache-mix`.

Each of the requests on 50 connections asks for one page of musicians, whose ids follow a Zipf distribution
(s = 1.0). Printed are the hit ratio of the gateway's cache, the entities that the subgraph was asked for, and
the CPU time per request, after as many requests as are measured for warming up.
"""

import argparse
import bisect
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import orjson
import uvloop

from bench.clients import Load
from bench.data import WORK
from bench.musicians import COUNT, LIFETIME, QUERY, SDLS
from bench.processes import cpu_ms, free_port, pin_self, rss_mb, running, wait_for
from bench.report import machine, save_rows, write_section
from bench.systems import PYTHON
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource

CONNECTIONS, PAGE, SECRET = 50, 10, "bench"
MEMORY = 200_000_000  # bytes: all musicians fit
ON = f"cache: {{enabled: true, memory: {MEMORY}, invalidation: {{secret: {SECRET}}}}}\n"
TEXT = """Printed by `make bench-cache-mix` on {date} ({machine}).
{requests:,} requests after {requests:,} to warm up, {connections} connections; each asks for {page} of
{count:,} musicians, whose ids follow a Zipf distribution with s = 1.0. An entity is fresh for
{lifetime} seconds, the memory for entries is {memory} MB; the list itself is never cached."""


def zipf(seed: int) -> Callable[[], bytes]:
    """Return what makes the bodies of requests with random ids."""
    order = random.Random(seed)
    steps = list(itertools.accumulate(1 / rank for rank in range(1, COUNT + 1)))
    names = [str(number) for number in range(1, COUNT + 1)]
    order.shuffle(names)
    total = steps[-1]

    def body() -> bytes:
        ids = [names[bisect.bisect_left(steps, order.random() * total)] for _ in range(PAGE)]
        return orjson.dumps({"query": QUERY, "variables": {"ids": ids}})

    return body


@contextmanager
def gateway(subgraphs: int, config: str, name: str) -> Iterator[tuple[int, int]]:
    """Run a gateway over the musicians; yield its process id and port. `subgraphs`: their port."""
    sources = [SubgraphSource(one, f"http://127.0.0.1:{subgraphs}/{one}", sdl) for one, sdl in SDLS.items()]
    schema, file, port = WORK / "musicians.graphql", WORK / f"{name}.yaml", free_port()
    WORK.mkdir(parents=True, exist_ok=True)
    schema.write_text(compose(sources).supergraph)
    file.write_text(f"supergraph: {schema}\nserver: {{port: {port}}}\n{config}")
    command = [PYTHON, "-m", "gateway.cli", "serve", "--config", str(file)]
    with running(name, command) as pid:
        wait_for(name, f"http://127.0.0.1:{port}/graphql")
        yield pid, port


@contextmanager
def subgraphs() -> Iterator[int]:
    """Run the subgraphs; yield their port."""
    port = free_port()
    with running("musicians", [PYTHON, "-m", "bench.musicians", str(port)], gateway=False):
        wait_for("musicians", f"http://127.0.0.1:{port}/search")
        yield port


def asked(port: int) -> int:
    """Return the number of entities that the subgraph was asked for, and set it to 0."""
    return int(httpx.post(f"http://127.0.0.1:{port}/reset").json().get("entities", 0))


def send(port: int, requests: int, seed: int) -> Load:
    """Send random requests."""
    load, left, body = Load(), iter(range(requests)), zipf(seed)
    uvloop.run(load.run([port], body, lambda: next(left, None) is not None, CONNECTIONS))
    return load


def stats(port: int) -> dict[str, int]:
    """Return how many values were found where."""
    headers = {"authorization": f"Bearer {SECRET}"}
    found: dict[str, dict[str, int]] = httpx.get(
        f"http://127.0.0.1:{port}/cache/stats", headers=headers
    ).json()["types"]
    return found["musicians: Musician"]


def measure(requests: int) -> Iterator[tuple[str, str]]:
    """Yield the rows of the report."""
    entities: dict[str, int] = {}
    for name, config in (("without", ""), ("with", ON)):
        with subgraphs() as there, gateway(there, config, f"zipf-{name}") as (pid, port):
            send(port, requests if config else requests // 10, 1)
            before, cpu = stats(port) if config else {}, cpu_ms(pid)
            asked(there)
            load = send(port, requests if config else requests // 10, 2)
            count = len(load.latencies)
            entities[name] = round(asked(there) * requests / count)
            yield f"{name} a cache: CPU of the gateway per request", f"{(cpu_ms(pid) - cpu) / count:.3f} ms"
            yield f"{name} a cache: p50 / p99", f"{load.percentile(0.5):.1f} / {load.percentile(0.99):.1f} ms"
            yield f"{name} a cache: resident memory", f"{rss_mb(pid):.0f} MB"
            yield f"{name} a cache: failed requests", str(sum(load.failed.values()))
            if config:
                found = {level: number - before[level] for level, number in stats(port).items()}
                ratio = 1 - found["fetched"] / sum(found.values())
                yield "hit ratio of entities (aim > 90 %)", f"{ratio:.2%}"
    yield "entities asked of the subgraph, without / with", f"{entities['without']:,} / {entities['with']:,}"
    factor = entities["without"] / max(entities["with"], 1)
    yield "entities asked, fewer by (aim 10)", f"{factor:.1f} times"


def main() -> None:
    """Measure, print and save the results, and write them into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500_000)
    parser.add_argument("--quick", action="store_true", help="20,000 requests; nothing is written")
    options = parser.parse_args()
    pin_self()
    requests = 20_000 if options.quick else options.requests
    rows = list(measure(requests))
    if options.quick:
        print("\n".join(f"{what:60} {measured}" for what, measured in rows))
        return
    given = {"requests": requests, "connections": CONNECTIONS, "page": PAGE, "count": COUNT}
    limits = {"lifetime": LIFETIME, "memory": MEMORY // 1_000_000}
    text = TEXT.format(date=f"{datetime.now(UTC):%Y-%m-%d}", machine=machine(), **given, **limits)
    save_rows("zipf", "A Zipf mix over cached entities", text, rows)
    write_section("zipf")


if __name__ == "__main__":
    main()
