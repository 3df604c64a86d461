"""Measures an operation that the gateway has not seen before: the CPU time to parse, validate, plan and
compile it, and how much it delays concurrent light queries.

The operation is the heavy query, each time with another alias, so that no cache of the gateway has it.
Another gateway in this process sends its subgraph requests beforehand, so that the subgraphs have their
replies cached and only the measured gateway works.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from itertools import cycle
from math import ceil

import httpx

from bench.data import SUBGRAPHS, folder, read_query
from bench.door import Door
from bench.inside import without_sharing
from bench.load import compile_load, finish_load, start_load
from bench.processes import cpu_ms, pin_self
from bench.report import save_rows, write_page
from bench.systems import Running, ours, start, start_subgraphs
from gateway.app import create_app, create_gateway
from gateway.pipeline import check, pick, prepare
from gateway.settings import Settings, SubgraphSettings

# Operations per measurement; seconds between two of them beside a load; rounds; seconds of a load.
UNSEEN, PACE, ROUNDS, SECONDS = 40, 0.1, 3, 3.0
TEXT = """Over HTTP. The first row is CPU of the gateway for a new operation less that for a known one;
light queries run on 10 connections."""


def new_bodies(start: int) -> Iterator[bytes]:
    """Yield bodies of requests with the heavy query, each with the alias `b<number>`, from the number `start`
    on.
    """
    query = json.loads(read_query("heavy").body)["query"]
    for number in range(start, 1_000_000):
        yield json.dumps({"query": query.replace("body", f"b{number}: body")}).encode()


async def make_known(port: int, count: int) -> None:
    """Make the subgraphs at a port compute and cache the replies for the first `count` bodies of
    `new_bodies`.
    """
    urls = {name: SubgraphSettings(f"http://127.0.0.1:{port}/{name}") for name in SUBGRAPHS}
    door = Door(
        create_app(
            (folder() / "supergraph.graphql").read_text(),
            without_sharing(Settings(subgraphs=urls, graphiql=False)),
        )
    )
    for body, _ in zip(new_bodies(0), range(count), strict=False):
        await door.post(body)


def ask(system: Running, body: bytes) -> None:
    """Send one request to a system over HTTP.

    Raises RuntimeError unless it succeeds without GraphQL errors.
    """
    url = f"http://127.0.0.1:{system.port}{system.path}"
    answer = httpx.post(url, content=body, headers={"content-type": "application/json"}, timeout=60)
    if answer.status_code != 200 or b'"errors"' in answer.content:
        raise RuntimeError(f"{system.system.title} did not answer the query: {answer.content[:300]!r}")


def cpu_of(system: Running, bodies: Iterator[bytes]) -> float:
    """Send the next UNSEEN of `bodies`, one after the other; return the mean of the
    system's CPU time for one in ms.
    """
    before = cpu_ms(system.pid)
    for _ in range(UNSEEN):
        ask(system, next(bodies))
    return (cpu_ms(system.pid) - before) / UNSEEN


def light_beside(system: Running, bodies: Iterator[bytes] | None) -> float:
    """Return the p99 latency in ms of light queries on 10 connections.

    Meanwhile the requests in `bodies` (None: none) are sent, one every PACE seconds.
    """
    process = start_load(system.port, system.path, read_query("light").body, 10, SECONDS)
    while bodies is not None and process.poll() is None:
        ask(system, next(bodies))
        time.sleep(PACE)
    return finish_load(process, "light beside others").p99


def stage_ms(bodies: Iterator[bytes]) -> tuple[float, float]:
    """Return two medians in ms, measured in this process over the operations in `bodies`.

    The first is the time to parse and validate an operation, the second is the time to normalize, plan and
    compile it.
    """
    engine = create_gateway((folder() / "supergraph.graphql").read_text(), Settings()).engine
    first, second = [], []
    for _ in range(UNSEEN):
        text = json.loads(next(bodies))["query"]
        start = time.perf_counter()
        checked = check(engine, text)
        between = time.perf_counter()
        prepare(engine, checked, pick(checked, None), {})
        first.append((between - start) * 1000)
        second.append((time.perf_counter() - between) * 1000)
    return statistics.median(first), statistics.median(second)


def rows_of(system: Running) -> list[tuple[str, str]]:
    """Measure a system; return the rows of the report: what was measured, and the median over the rounds."""
    known, unseen = cycle([read_query("heavy").body]), new_bodies(0)
    cpu_of(system, known)
    costs = [cpu_of(system, unseen) - cpu_of(system, known) for _ in range(ROUNDS)]
    p99 = [[light_beside(system, bodies) for bodies in (None, known, unseen)] for _ in range(ROUNDS)]
    alone, beside_known, beside_new = (statistics.median(column) for column in zip(*p99, strict=True))
    checked, planned = stage_ms(new_bodies(500_000))
    return [
        (
            "heavy, never seen: parse, validate, plan, compile (aim ≤ 15 ms)",
            f"{statistics.median(costs):.1f} ms",
        ),
        ("of it, in process: parse and validate", f"{checked:.1f} ms"),
        ("of it, in process: normalise, plan and compile", f"{planned:.1f} ms"),
        ("p99 of light queries, alone", f"{alone:.2f} ms"),
        (f"p99 of light queries, a known heavy one every {PACE * 1000:.0f} ms", f"{beside_known:.2f} ms"),
        (f"p99 of light queries, a new heavy one every {PACE * 1000:.0f} ms", f"{beside_new:.2f} ms"),
    ]


def main() -> None:
    """Measure, print and save the results."""
    compile_load()
    pin_self()
    with start_subgraphs() as port:
        asyncio.run(make_known(port, UNSEEN * ROUNDS + ceil(ROUNDS * SECONDS / PACE) + 10))
        with start(next(ours()), port) as system:
            save_rows("cold", "An operation never seen before", TEXT, rows_of(system))


if __name__ == "__main__":
    main()
    write_page()
