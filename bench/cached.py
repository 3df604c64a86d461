"""What a request costs in CPU time when its values are cached: `make bench-cache`.

Two gateways without a cache run beside three with one: whole responses in memory, entities in memory, and
entities in Redis alone (the memory is too small for any). All replies stay fresh during the run. In each
round each query is sent to all of them, one after the other; the ratio of the two equal gateways shows how
much ratios vary by chance.
"""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack

from bench.data import QUERIES, WORK, read_query
from bench.guard import spread
from bench.pairs import UNSHARED, CpuTimes, measure_rounds, ratios_of, run_program
from bench.systems import SERVE, Running, System, install_peers, start, start_subgraphs
from subgraphs.platform.valkey import start_valkey

OFF, AGAIN = "off", "off again"
HIVE = "Hive Gateway's response cache"
RESPONSES, ENTITIES, SHARED = "responses in memory", "entities in memory", "entities in Redis"
AIMS = {("light", RESPONSES): 0.6, ("heavy", ENTITIES): 0.6, ("heavy", SHARED): 0.9}
CONFIGS = {
    RESPONSES: "cache: {enabled: true, lifetime: 1h}\n",
    ENTITIES: "cache: {enabled: true, lifetime: 1h, responses: false}\n",
    SHARED: "cache: {enabled: true, lifetime: 1h, responses: false, redis: true, memory: 1000}\n",
}
TEXT = """Printed by `make bench-cache` on {date} ({machine}).
CPU per request of the gateway when everything that a request needs is cached and fresh, beside gateways
without a cache: 50 connections, nothing shared, medians of {rounds} interleaved rounds. Each ratio is the
median of the rounds, with the smallest and the largest in brackets; *by chance* are the ratios of the two
equal gateways. Hive Gateway stores whole responses (`@graphql-yoga/plugin-response-cache`)."""


def systems(redis: str) -> list[System]:
    """Return two gateways without a cache, and one for each way to cache. `redis`: the URL of the server."""
    command = (*SERVE, *UNSHARED)
    found = [System(name, False, command, connections=(50,)) for name in (OFF, AGAIN)]
    if (node := install_peers()) is not None:
        peer = (node, "bench/peers/peer.mjs", "hive-cached", "{supergraph}", "{port}")
        found.append(System(HIVE, False, peer, {"NODE_ENV": "production"}, (50,)))
    for number, (name, text) in enumerate(CONFIGS.items()):
        file = WORK / f"cache-{number}.yaml"
        file.write_text(f'redis: {{url: "{redis}"}}\n{text}')
        found.append(System(name, False, (*command, "--config", str(file)), connections=(50,)))
    return found


def rows_of(found: CpuTimes) -> Iterator[tuple[str, str]]:
    """Yield the rows of the report."""
    for name in CONFIGS:
        for one in ratios_of(found, OFF, AGAIN, name):
            yield f"{one.title}, {name}: CPU ms, off / on", f"{one.before:.4f} / {one.now:.4f}"
            aim, ratio = AIMS.get((one.title, name)), statistics.median(one.ratios)
            result = "" if aim is None else f" (aim ≤ {aim:g}: {'met' if ratio <= aim else 'missed'})"
            yield f"{one.title}, {name}: ratio{result}", spread(one.ratios)
    for (query, _), cpu in found.items():
        if HIVE in cpu:
            yield f"{query}, {HIVE}: CPU ms", f"{statistics.median(cpu[HIVE]):.4f}"
    for one in ratios_of(found, OFF, AGAIN, AGAIN):
        yield f"{one.title}: ratio by chance", spread(one.same)


def measure_all(rounds: int, seconds: float) -> CpuTimes:
    """Start the servers and gateways, and return their CPU times."""
    WORK.mkdir(parents=True, exist_ok=True)
    redis = start_valkey(WORK / "valkey", durable=False)
    try:
        with start_subgraphs() as port, ExitStack() as stack:
            running: list[Running] = [stack.enter_context(start(one, port)) for one in systems(redis.url)]
            return measure_rounds(running, [read_query(name) for name in QUERIES], rounds, seconds)
    finally:
        redis.stop()


def main() -> None:
    """Measure, print and save the results, and write them into docs/performance.md."""
    run_program(__doc__, "cache", "Cached values", TEXT, 10, lambda *given: rows_of(measure_all(*given)))


if __name__ == "__main__":
    main()
