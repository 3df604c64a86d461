"""`make conformance`: the audit's suites by source, and the subgraph requests compared with other gateways.
The exit code is 1 after a failure.
"""

import asyncio
import sys
from typing import Any

from tests.conformance.suites import (
    ABSENT,
    PEERS,
    SOURCES,
    SUITES,
    WAYS,
    Outcome,
    Served,
    best,
    read_peers,
    run_suite,
    serve,
)

Results = dict[tuple[str, str], dict[str, list[Outcome]]]
NO_WASTE = "no test takes more subgraph requests than the best peer that passes it"


async def run_all(served: Served) -> Results:
    """Run every suite from every source in every mode."""
    return {
        (source, way): {name: await run_suite(name, source, way, served) for name in SUITES}
        for source in SOURCES
        for way in WAYS
    }


def print_failures(results: Results) -> int:
    """Print a line for each source and mode, and one for each failure; returns the number of failures."""
    failures = 0
    for (source, way), suites in results.items():
        wrong = [
            (name, i, one.wrong) for name, every in suites.items() for i, one in enumerate(every) if one.wrong
        ]
        total = sum(map(len, suites.values()))
        print(f"{source} supergraph, {way}: {total - len(wrong)} passed, {len(wrong)} failed")
        for name, index, reason in wrong:
            print(f"  {name} {index}: {reason}")
        failures += len(wrong)
    return failures


def peer_requests(peers: Any, peer: str) -> str:
    """Another gateway's subgraph requests in a suite, and the number of tests that it fails, whose requests
    do not count.
    """
    passed = [len(test[peer]["fetches"]) for test in peers.values() if test[peer]["pass"]]
    failed = len(peers) - len(passed)
    return f"{sum(passed)}" + (f" ({failed} failed)" if failed else "")


def print_requests(results: Results) -> int:
    """Print the subgraph requests of each suite; returns the number of tests that need more than the best
    other gateway.
    """
    peers, wasteful, sums = read_peers(), 0, [0, 0]
    print(
        f"\n{'subgraph requests':34} {'tests':>5} {'ours':>5} {'best':>5}"
        + "".join(f"{one:>18}" for one in PEERS)
    )
    for name in SUITES:
        marks = [best(peers[name][str(index)]) for index in range(len(peers[name]))]
        counts = [[len(one.asked) for one in suites[name]] for suites in results.values()]
        ours = [max(every) for every in zip(*counts, strict=True)]
        over = sum(mark is not None and count > mark for count, mark in zip(ours, marks, strict=True))
        wasteful += over
        mark = sum(one or 0 for one in marks)
        sums = [sums[0] + sum(ours), sums[1] + mark]
        cells = "".join(f"{peer_requests(peers[name], peer):>18}" for peer in PEERS)
        print(
            f"{name:34} {len(ours):>5} {sum(ours):>5} {mark:>5}{cells}"
            + (f"  {over} WASTEFUL" if over else "")
        )
    print(f"{'in all':34} {'':>5} {sums[0]:>5} {sums[1]:>5}")
    print(
        NO_WASTE
        if not wasteful
        else f"{wasteful} tests take more subgraph requests than the best peer that passes them"
    )
    return wasteful


def main() -> int:
    """Run the suites, print the report, and return the exit code."""
    if not SUITES:
        print(ABSENT)
        return 1
    with serve() as served:
        results = asyncio.run(run_all(served))
    failures = print_failures(results)
    return 1 if failures + print_requests(results) else 0


if __name__ == "__main__":
    sys.exit(main())
