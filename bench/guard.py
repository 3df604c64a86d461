"""What the checks of each request cost, in CPU time: `make bench-guard`.

Two gateways without checks and one with all of them run side by side and get the same requests, with a token
and an Origin: tokens are verified (and then found in the cache), the fields of the queries need scopes that
the caller has, costs have a maximum, a rate limit counts but never refuses, and CORS allows the origin. In
each round each query is sent to all three, one after the other. The ratio of the two equal gateways (an A/A
pair) shows how much ratios vary by chance.
"""

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey

from bench.data import QUERIES, WORK, read_query, supergraph
from bench.pairs import UNSHARED, CpuTimes, measure_rounds, ratios_of, run_program
from bench.systems import SERVE, Running, System, start, start_subgraphs

ORIGIN = "https://app.example"
AIMS = {"light": 15, "heavy": 3}  # % beyond the noise
RULES = {
    "    topProducts(first: Int = 5): [Product] @join__field(graph: PRODUCTS)": "@authenticated",
    "    name: String @join__field(graph: PRODUCTS)": '@requiresScopes(scopes: [["products"]])',
    "    birthday: Int @join__field(graph: ACCOUNTS)": '@requiresScopes(scopes: [["admin"]])',
    "    body: String": '@requiresScopes(scopes: [["reviews", "read"], ["admin"]])',
}
"""Lines of the supergraph with the requirements that are appended; no query has `birthday`."""
DEFINITIONS = """
directive @authenticated on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM
directive @requiresScopes(scopes: [[requiresScopes__Scope!]!]!)
    on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM
scalar requiresScopes__Scope
"""
SETTINGS = """
authentication:
  issuers: [{name: bench, jwks_file: keys.json, issuers: ["https://issuer.example"], audiences: [bench]}]
cost: {max: 1_000_000_000_000}
rates:
  rules: [{name: all, requests: 1_000_000_000, window: 60s, by: [subject]}]
cors: {origins: [ORIGIN], credentials: true}
""".replace("ORIGIN", ORIGIN)
TEXT = """Printed by `make bench-guard` on {date} ({machine}).
The same requests, with a token and an Origin, to a gateway that checks everything (tokens, scopes of fields,
the cost, a rate limit in memory, CORS) and to two that check nothing: CPU per request at 50 connections,
nothing shared, medians of {rounds} interleaved rounds. Each ratio is the median of the rounds, with
the smallest and the largest in brackets. *By chance* are the ratios of the two equal gateways: a ratio is
the CPU time with checks by that without; an aim is met if the median ratio is at most the aim times the
median by chance."""


def guarded(text: str) -> str:
    """Return a supergraph with requirements on some fields."""
    for line, directive in RULES.items():
        if text.count(f"{line}\n") != 1:
            raise ValueError(f"expected the line {line.strip()!r} once in the supergraph")
        text = text.replace(f"{line}\n", f"{line} {directive}\n")
    links = "".join(
        f'    @link(url: "https://specs.apollo.dev/{name}/v0.1", for: SECURITY)\n'
        for name in ("authenticated", "requiresScopes")
    )
    return text.replace("schema\n", f"schema\n{links}", 1) + DEFINITIONS


def make_token(folder: Path) -> str:
    """Write a key set into a folder, and return a token that it verifies."""
    key = ECKey.generate_key("P-256", {"kid": "1"})
    (folder / "keys.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    now = int(time.time())
    rest = {"iss": "https://issuer.example", "aud": "bench", "sub": "user-1"}
    claims = {**rest, "iat": now, "exp": now + 86_400, "scope": "products reviews read"}
    return str(jwt.encode({"alg": "ES256", "kid": "1"}, claims, key, algorithms=["ES256"]))


def systems(subgraphs: int) -> list[System]:
    """Return two gateways without checks, and one with all. `subgraphs`: the subgraphs' port."""
    config, schema = WORK / "guard.yaml", WORK / "guard.graphql"
    config.write_text(SETTINGS)
    schema.write_text(guarded(supergraph(subgraphs)))
    command = (*SERVE, *UNSHARED)
    checking = tuple(str(schema) if word == "{supergraph}" else word for word in command)
    (WORK / "no-guard.yaml").write_text("cost: {max: null}\n")
    plain = (*command, "--config", str(WORK / "no-guard.yaml"))
    off = [System(name, False, plain, connections=(50,)) for name in ("off", "off again")]
    return [*off, System("on", False, (*checking, "--config", str(config)), connections=(50,))]


def rows_of(found: CpuTimes) -> Iterator[tuple[str, str]]:
    """Yield the rows of the report."""
    for one in ratios_of(found, "off", "off again", "on"):
        yield f"{one.title}: CPU ms, off / on", f"{one.before:.4f} / {one.now:.4f}"
        aim = 1 + AIMS[one.title] / 100
        is_met = statistics.median(one.ratios) <= aim * statistics.median(one.same)
        result = f"{spread(one.ratios)}: {'met' if is_met else 'missed'}"
        yield f"{one.title}: ratio (aim ≤ {aim:.2f} beyond chance)", result
        yield f"{one.title}: ratio by chance", spread(one.same)


def spread(ratios: Sequence[float]) -> str:
    """Return the median of ratios with the smallest and the largest one."""
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def measure_all(rounds: int, seconds: float) -> CpuTimes:
    """Start the gateways, and return their CPU times."""
    WORK.mkdir(parents=True, exist_ok=True)
    headers: Mapping[str, str] = {"authorization": f"Bearer {make_token(WORK)}", "origin": ORIGIN}
    queries = [replace(read_query(name), headers=headers) for name in QUERIES]
    with start_subgraphs() as port, ExitStack() as stack:
        running: list[Running] = [stack.enter_context(start(one, port)) for one in systems(port)]
        return measure_rounds(running, queries, rounds, seconds)


def main() -> None:
    """Measure, print and save the results, and write them into docs/performance.md."""
    run_program(
        __doc__, "guard", "The checks of requests", TEXT, 12, lambda *given: rows_of(measure_all(*given))
    )


if __name__ == "__main__":
    main()
