"""Prints in which functions the gateway spends its time: `make profile`.

cProfile runs over requests to a gateway in this process; the subgraphs are in another process, over HTTP.
"""

import argparse
import asyncio
import cProfile
import time
from pathlib import Path

import uvloop

from bench.data import QUERIES, ROOT, SUBGRAPHS, Query, read_query, supergraph
from bench.door import Door
from bench.inside import without_sharing
from bench.processes import pin_self
from bench.systems import start_subgraphs
from gateway.app import create_app
from gateway.settings import Settings, SubgraphSettings

AT_ONCE = 50
Row = tuple[float, float, float, str]
"""Of one function: calls per request, own time and time with called functions per request in µs, and its
place.
"""


async def ask(door: Door, query: Query, requests: int) -> float:
    """Send `requests` requests, 50 at the same time; return the CPU time per request in µs.

    Raises RuntimeError unless all responses are equal.
    """
    first = await door.post(query.body)

    async def client() -> None:
        for _ in range(requests // AT_ONCE):
            if await door.post(query.body) != first:
                raise RuntimeError(f"expected equal responses to the {query.name} query, got different ones")

    start = time.process_time()
    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return (time.process_time() - start) / requests * 1e6


def place(file: str, line: int, function: str) -> str:
    """Return where a function is, as "file:line name"; the file is relative to the repository or
    its package.
    """
    path = Path(file)
    if path.is_relative_to(ROOT) and ".venv" not in path.parts:
        return f"{path.relative_to(ROOT)}:{line} {function}"
    return f"{'/'.join(path.parts[-2:])}:{line} {function}"


def rows_of(profile: cProfile.Profile, requests: int) -> list[Row]:
    """Return a row for each function of a profile of `requests` requests, by own time, the longest first."""
    rows = []
    for entry in profile.getstats():
        code = entry.code
        where = (
            code if isinstance(code, str) else place(code.co_filename, code.co_firstlineno, code.co_qualname)
        )
        rows.append(
            (
                entry.callcount / requests,
                entry.inlinetime / requests * 1e6,
                entry.totaltime / requests * 1e6,
                where,
            )
        )
    return sorted(rows, key=lambda row: -row[1])


async def profile(door: Door, query: Query, requests: int, top: int) -> None:
    """Profile `requests` requests with one query, and print the `top` functions as a table."""
    query.check(await door.post(query.body), "ours")
    await ask(door, query, AT_ONCE * 4)
    plain = await ask(door, query, requests)
    profiler = cProfile.Profile()
    profiler.enable()
    slowed = await ask(door, query, requests)
    profiler.disable()
    print(
        f"\n{query.name}: {plain:.0f} µs of CPU per request"
        f" ({slowed:.0f} under the profiler, which the table adds up to)"
    )
    print(f"{'calls':>8} {'own µs':>8} {'all µs':>8}  function")
    for calls, own, whole, where in rows_of(profiler, requests)[:top]:
        print(f"{calls:8.2f} {own:8.1f} {whole:8.1f}  {where}")


async def profile_all(port: int, requests: int, top: int) -> None:
    """Profile the heavy query, and the light one with ten times as many requests, in one gateway.

    `port`: that of the subgraphs; `top`: the number of functions to print.
    """
    urls = {name: SubgraphSettings(f"http://127.0.0.1:{port}/{name}") for name in SUBGRAPHS}
    door = Door(create_app(supergraph(port), without_sharing(Settings(subgraphs=urls, graphiql=False))))
    for name in QUERIES:
        await profile(door, read_query(name), requests if name == "heavy" else requests * 10, top)


def main() -> None:
    """Start the subgraphs, and print the profiles of both queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--requests", type=int, default=1_000, help="heavy ones; ten times as many light ones"
    )
    parser.add_argument("--top", type=int, default=30, help="rows of each table")
    options = parser.parse_args()
    with start_subgraphs() as port:
        pin_self()
        uvloop.run(profile_all(port, options.requests, options.top))


if __name__ == "__main__":
    main()
