"""The benchmark, `make bench`: measures our gateway, the ceiling and other gateways with the same queries.

The systems run side by side and are measured in interleaved rounds; results are medians. Every response is
checked. The systems have the last core alone; subgraphs, load tool and this program have the others. CPU time
is the difference of what /proc reports for the system's processes before and after a run, divided by the
number of responses. A run ends with its last response.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import httpx

from bench import cold, mix
from bench.data import QUERIES, ROOT, Query, read_query
from bench.load import compile_load, load
from bench.processes import CORES, PINNED, cpu_ms, pin_self, rss_mb
from bench.report import Figure, print_figures, save_figures, write_page
from bench.systems import CEILING, Running, ceilings, ours, peers, start_all, start_subgraphs

Key = tuple[str, str, bool, int]


def ask_once(system: Running, query: Query) -> None:
    """Send one request to a system; exit unless it gets the expected response."""
    answer = httpx.post(
        f"http://127.0.0.1:{system.port}{system.path}",
        content=query.body,
        headers={"content-type": "application/json", **query.headers},
        timeout=60,
    )
    query.check(answer.content, system.system.title)


def counts(port: int, *, reset: bool = False) -> int:
    """Return the number of requests to the subgraphs since the last reset; `reset`: set it to 0 afterwards.

    `port`: that of the process which counts them.
    """
    path = "reset" if reset else "counts"
    found: dict[str, int] = httpx.request(
        "POST" if reset else "GET", f"http://127.0.0.1:{port}/{path}"
    ).json()
    return sum(found.values())


def measure(system: Running, query: Query, connections: int, seconds: float) -> Figure:
    """Measure one query in one system, with a load of `seconds`; the ratio to the ceiling is not set yet."""
    ask_once(system, query)
    counts(system.counts, reset=True)
    what = f"{system.system.title}, {query.name}, {connections} connections"
    before = cpu_ms(system.pid)
    run = load(system.port, system.path, query.body, connections, seconds, what, query.headers)
    cpu = cpu_ms(system.pid) - before
    fetches = counts(system.counts)
    query.check(run.first, system.system.title)
    memory = rss_mb(system.pid)
    ask_once(system, query)
    return Figure(
        system=system.system.name,
        query=query.name,
        shared=system.system.shared,
        connections=connections,
        cpu_ms=cpu / run.requests,
        rps=run.requests / run.seconds,
        p50_ms=run.p50,
        p99_ms=run.p99,
        rss_mb=memory,
        fetches=fetches / run.requests,
        ratio_to_ceiling=None,
    )


def one_round(systems: Sequence[Running], queries: Sequence[Query], scale: float) -> Iterator[Figure]:
    """Yield the figure of each query with each number of connections in each system, measured one by one.

    `scale` multiplies the durations of the loads. The ratios to the ceiling are computed within the round.
    """
    for query in queries:
        for connections, seconds in ((50, 2.0), (1, 1.0)):
            chosen = [one for one in systems if connections in one.system.connections]
            found = [measure(one, query, connections, seconds * scale) for one in chosen]
            ceiling = {one.shared: one.cpu_ms for one in found if one.system == CEILING}
            for figure in found:
                figure.ratio_to_ceiling = figure.cpu_ms / ceiling[figure.shared]
            yield from found


def medians(rounds: Sequence[Figure]) -> list[Figure]:
    """Return one figure for each `Figure.key`, with the medians over all rounds.

    `rounds`: the figures of all rounds in one list.
    """
    groups: dict[Key, list[Figure]] = defaultdict(list)
    for figure in rounds:
        groups[figure.key].append(figure)
    return [Figure.median(figures, statistics.median) for figures in groups.values()]


def measure_all(*, quick: bool, rounds: int) -> list[Figure]:
    """Start and warm up all systems, measure them in rounds, and return the medians.

    `quick`: shorter loads, without the other gateways.
    """
    compile_load()
    queries = [read_query(name) for name in QUERIES]
    chosen = [*ceilings(), *ours(), *(() if quick else peers())]
    with start_subgraphs() as port, ExitStack() as stack:
        systems = start_all(stack, chosen, port)
        for system in systems:
            for query in queries:
                measure(system, query, 50, 0.3 if quick else 1.0)
        found: list[Figure] = []
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", flush=True)
            found.extend(one_round(systems, queries, 0.3 if quick else 1.0))
    return medians(found)


def main() -> None:
    """Measure and print the results; without --quick also write docs/performance.md and bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a short look without the peers; nothing is written"
    )
    parser.add_argument(
        "--memory", action="store_true", help="also half a million requests for memory: some four minutes"
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    started = time.monotonic()
    pin_self()
    print(f"{len(CORES)} cores; " + ("gateways on the last one alone" if PINNED else "nothing is pinned"))
    figures = measure_all(quick=options.quick, rounds=options.rounds)
    print_figures(figures)
    if not options.quick:
        save_figures(figures)
        cold.main()
    if os.environ.get("MIX") == "1":
        mix.main()
    if options.memory:
        subprocess.run(
            [sys.executable, "-m", "bench.memory"], cwd=ROOT, check=False
        )  # in a process with nothing else
    if not options.quick:
        write_page()
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
