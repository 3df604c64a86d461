"""Compares the CPU time of this checkout with that of another one: `make bench-pairs BEFORE=DIR`.

Two gateways of the other checkout and one of this checkout run side by side. In each round each query is sent
to all three, one after the other, so that the values of a ratio are measured within seconds of each other.
The ratio of the two equal gateways (an A/A pair) shows how much ratios vary by chance. The other checkout
needs an environment of its own (`make env` there).
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.data import QUERIES, Query, read_query
from bench.load import compile_load
from bench.processes import CORES, PINNED, pin_self, rss_mb
from bench.report import machine, save_rows, write_section
from bench.run import measure
from bench.systems import PYTHON, SERVE, Running, System, start, start_subgraphs

UNSHARED = ("--no-share", "--no-batch")
STARTS = 5


def systems(before: Path) -> list[System]:
    """Return the six systems to measure: first three without shared executions, then three with them.

    The three are two gateways of the checkout in `before`, and one gateway of this checkout.
    """
    python = str(before / ".venv/bin/python")
    found = []
    for shared in (False, True):
        flags = () if shared else UNSHARED
        there = (python, "-P", *SERVE[1:], *flags)
        environment = {"PYTHONPATH": str(before)}
        found += [System(name, shared, there, environment, (50,)) for name in ("before", "before again")]
        found.append(System("now", shared, (*SERVE, *flags), connections=(50,)))
    return found


def seconds_to_import(python: str, folder: Path) -> float:
    """Return the seconds in which a new Python process imports `gateway.serve` of the checkout in
    `folder`.
    """
    command = [python, "-X", "importtime", "-P", "-c", "import gateway.serve"]
    environment = {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    return int(done.stderr.strip().splitlines()[-1].split("|")[1]) / 1e6


CpuTimes = dict[tuple[str, bool], dict[str, list[float]]]
"""By query and whether executions are shared: the CPU times of each system in ms, one per round."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How one query's CPU time in `now` compares with that in `before`: medians of all rounds.

    `same`: the ratios of the two equal systems, the smallest, the median and the largest.
    """

    title: str
    before: float
    now: float
    ratios: Sequence[float]
    same: Sequence[float]

    def __str__(self) -> str:
        """Return the ratio and the range of the A/A ratios."""
        same = self.same
        return (
            f"{statistics.median(self.ratios):.3f} ({min(same):.3f} to {max(same):.3f},"
            f" median {statistics.median(same):.3f})"
        )


def ratios_of(found: CpuTimes, before: str, again: str, now: str) -> Iterator[Ratio]:
    """Yield the ratio of each query; the other arguments are the names of the systems."""
    for (query, shared), cpu in found.items():
        first, second, last = cpu[before], cpu[again], cpu[now]
        same = [b / a for a, b in zip(first, second, strict=True)]
        ratios = [n / ((a + b) / 2) for a, b, n in zip(first, second, last, strict=True)]
        title = f"{query}, shared" if shared else query
        yield Ratio(title, statistics.median(first), statistics.median(last), ratios, same)


def measure_rounds(
    running: Sequence[Running], queries: Sequence[Query], rounds: int, seconds: float
) -> CpuTimes:
    """Return the CPU times of all systems, after a warm-up; in each second round in the opposite order."""
    found: CpuTimes = defaultdict(lambda: defaultdict(list))
    for one in running:
        for query in queries:
            measure(one, query, 50, 1.0)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds} ...", flush=True)
        for query in queries:
            for one in running if number % 2 == 0 else running[::-1]:
                figure = measure(one, query, 50, seconds)
                found[query.name, one.system.shared][one.system.name].append(figure.cpu_ms)
    return found


def print_ratios(found: CpuTimes) -> None:
    """Print for each query the median CPU times, the ratio of this checkout, and the range of A/A ratios."""
    print(f"\n{'query':16} {'before':>9} {'now':>9}   now/before (A/A pairs)")
    for one in ratios_of(found, "before", "before again", "now"):
        print(f"{one.title:16} {one.before:6.4f} ms {one.now:6.4f} ms   {one}")


def run_program(
    description: str | None,
    name: str,
    title: str,
    text: str,
    rounds: int,
    measure_rows: Callable[[int, float], Iterable[tuple[str, str]]],
) -> None:
    """Be the main function of a program that compares systems in rounds: print its rows, save them, and write
    its section of docs/performance.md.

    `name`, `title`, `text`: of the section; `text` has places for the date, the machine and the rounds.
    `rounds`: how many by default. `measure_rows`: returns the rows for rounds and seconds of load.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=1.5, help="of load for one figure")
    parser.add_argument("--quick", action="store_true", help="nothing is written")
    options = parser.parse_args()
    pin_self()
    compile_load()
    rows = list(measure_rows(options.rounds, options.seconds))
    if options.quick:
        print("\n".join(f"{what:75} {measured}" for what, measured in rows))
        return
    shown = text.format(date=f"{datetime.now(UTC):%Y-%m-%d}", machine=machine(), rounds=options.rounds)
    save_rows(name, title, shown, rows)
    write_section(name)


def main() -> None:
    """Measure all systems in rounds; print ratios, memory and times to import."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.5, help="of load for one figure")
    options = parser.parse_args()
    before = options.before.resolve()
    if not (before / ".venv/bin/python").exists():
        sys.exit(f"bench: there is no environment in {before}; run `make env` there")
    pin_self()
    compile_load()
    print(f"{len(CORES)} cores; " + ("gateways on the last one alone" if PINNED else "nothing is pinned"))
    queries = [read_query(name) for name in QUERIES]
    with start_subgraphs() as port, ExitStack() as stack:
        running: list[Running] = [stack.enter_context(start(one, port)) for one in systems(before)]
        found = measure_rounds(running, queries, options.rounds, options.seconds)
        memory = {one.system.title: rss_mb(one.pid) for one in running}
    print_ratios(found)
    print("\nresident MB: " + ", ".join(f"{name} {value:.0f}" for name, value in memory.items()))
    started: dict[str, list[float]] = defaultdict(list)
    for _ in range(STARTS):
        started["before"].append(seconds_to_import(str(before / ".venv/bin/python"), before))
        started["now"].append(seconds_to_import(PYTHON, Path(__file__).parent.parent))
    print("seconds to import: " + ", ".join(f"{name} {min(value):.3f}" for name, value in started.items()))
    print(time.strftime("%Y-%m-%d"))


if __name__ == "__main__":
    main()
