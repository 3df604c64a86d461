"""Measures whether the gateway's memory grows over half a million requests, most of which need a new plan.

The operations are like the light query: 10,000 different ones, of which some are frequent and most are rare
(Zipf distribution, exponent 1.1); the plan cache has 1,000 plans. Gateway and subgraphs are in one process,
without HTTP. The resident size must not grow by more than 5 % after the first fifth of the requests.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import sys
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import msgspec
import uvloop

from bench.data import PORT, supergraph
from bench.door import Door
from bench.inside import without_sharing
from bench.processes import rss_mb
from bench.report import save_rows, write_page
from gateway.app import create_app
from gateway.settings import Settings

DISTINCT, EXPONENT, CACHE, AT_ONCE, BOUND = 10_000, 1.1, 1_000, 10, 1.05
TEXT = """10,000 operations of the size of the light query, requested with frequencies by Zipf's law
(exponent 1.1); plan cache of 1,000. Each cached plan has types of its own to decode replies (msgspec
structs); if their number grew, plans would leak."""


def bodies(seed: int) -> Iterator[bytes]:
    """Yield bodies of requests without end; each operation has its own name and alias, by its number.

    The higher the number is, the rarer is the operation. The same seed gives the same sequence.
    """
    weights = list(accumulate((number + 1) ** -EXPONENT for number in range(DISTINCT)))
    random.seed(seed)
    while True:
        for number in random.choices(range(DISTINCT), cum_weights=weights, k=1_000):
            query = f"query Light{number} {{ topProducts {{ n{number}: name price }} }}"
            yield json.dumps({"query": query}).encode()


def compiled_types() -> int:
    """Return the number of msgspec struct types (subclasses of `msgspec.Struct`) in memory.

    A constant number of them comes from imported modules. A compiled plan creates further ones for its
    replies, so their number shows whether plans that were removed from the cache are freed.
    """
    gc.collect()
    return len(msgspec.Struct.__subclasses__())


async def top_products(query: str, *_: object) -> dict[str, Any]:
    """The subgraph `products`, without data: return two products with the alias that the query contains."""
    alias = query[query.index("n", query.index("topProducts") + len("topProducts")) :].partition(":")[0]
    return {"data": {"topProducts": [{alias: "Table", "price": 899}, {alias: "Couch", "price": 1299}]}}


async def measure(requests: int) -> list[tuple[int, float, int]]:
    """Send the requests; return ten measurements, one after each tenth of them.

    A measurement is the number of requests so far, the resident memory in MB, and `compiled_types()`.
    """
    settings = without_sharing(Settings(graphiql=False, plan_cache=CACHE))
    door, asked = Door(create_app(supergraph(PORT), settings, {"products": top_products})), bodies(1)
    found = []

    async def client(count: int) -> None:
        for _ in range(count):
            answer = await door.post(next(asked))
            if b'"Couch"' not in answer or b'"errors"' in answer:
                raise RuntimeError(f"expected two products without errors, got {answer!r}")

    tenth = requests // 10
    for number in range(1, 11):
        await asyncio.gather(*(client(tenth // AT_ONCE) for _ in range(AT_ONCE)))
        found.append((number * tenth, rss_mb(os.getpid()), compiled_types()))
        print(
            f"  {number * tenth:>8} requests: {found[-1][1]:.1f} MB, {found[-1][2]} struct types", flush=True
        )
    return found


def main() -> None:
    """Measure, print and save the results.

    The exit code is 1 when memory has grown by more than 5 % after the first fifth.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500_000)
    requests = parser.parse_args().requests
    found = uvloop.run(measure(requests))
    early, late = found[1], found[-1]
    growth = late[1] / early[1]
    rows = [(f"resident size after {count:,} requests", f"{size:.1f} MB") for count, size, _ in (early, late)]
    rows += [("growth (aim ≤ 5 %)", f"{(growth - 1) * 100:.1f} %")]
    rows += [
        (f"decoding types in memory after {count:,} requests", str(types))
        for count, _, types in (early, late)
    ]
    save_rows("memory", "Memory", TEXT, rows)
    write_page()
    sys.exit(growth > BOUND)


if __name__ == "__main__":
    main()
