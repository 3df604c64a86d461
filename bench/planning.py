"""Measures time and memory of planning in the worst cases: operations that can be planned in very many ways.

Each case is planned in a process of its own, so that its memory can be measured. The program fails if a case
needs more than two seconds or 200 MB.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Mapping

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.errors import GatewayError
from gateway.engine import make_engine
from gateway.pipeline import check, pick, prepare
from gateway.settings import Limits, Settings
from gateway.supergraph.load import load_supergraph
from gateway.transport.fake import FakeTransport

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3",'
    ' import: ["@key", "@shareable", "@external", "@requires"])\n'
)
SECONDS, MEGABYTES = 2.0, 200.0
Case = tuple[Mapping[str, str], str]
"""The subgraphs' SDLs by name, and the query to plan."""


def many_keys(fields: int, subgraphs: int, keys: int) -> Case:
    """Return a case with one entity that has many keys; all subgraphs have every key and resolve
    every field.
    """
    names = [f"k{number}" for number in range(keys)]
    key = " ".join(f'@key(fields: "{name}")' for name in names)
    body = " ".join(f"{name}: ID!" for name in names) + " " + " ".join(f"f{n}: Int" for n in range(fields))
    sdls = {f"s{n}": f"{LINK}type E {key} @shareable {{ {body} }}" for n in range(subgraphs)}
    sdls["s0"] = (
        f"{LINK}type Query {{ e: E }} type E {key} {{ {' '.join(f'{name}: ID!' for name in names)} }}"
    )
    return sdls, f"{{ e {{ {' '.join(f'f{n}' for n in range(fields))} }} }}"


def nested(depth: int, subgraphs: int, width: int) -> Case:
    """Return a case with an entity that is nested in itself `depth` times.

    Every subgraph resolves the field that leads to the next level, and `width` fields that no other one has.
    """
    own = [" ".join(f"o{n}x{w}: Int" for w in range(width)) for n in range(subgraphs)]
    sdls = {
        f"s{n}": f"{LINK}type Query {{ e: E @shareable }} "
        f'type E @key(fields: "id") {{ id: ID! next: E @shareable {own[n]} }}'
        for n in range(subgraphs)
    }
    leaves = " ".join(f"o{n}x{w}" for n in range(subgraphs) for w in range(width))
    query = leaves
    for _ in range(depth):
        query = f"{leaves} next {{ {query} }}"
    return sdls, f"{{ e {{ {query} }} }}"


def layered_requires(layers: int, width: int) -> Case:
    """Return a case whose fields are in layers of `width` fields, each layer in another subgraph.

    Each field has a @requires of all fields of the layer before.
    """
    sdls = {"s0": f'{LINK}type Query {{ e: E }} type E @key(fields: "id") {{ id: ID! {_fields(0, width)} }}'}
    for layer in range(1, layers + 1):
        needed = " ".join(f"l{layer - 1}x{w}" for w in range(width))
        external = " ".join(f"l{layer - 1}x{w}: Int @external" for w in range(width))
        made = " ".join(f'l{layer}x{w}: Int @requires(fields: "{needed}")' for w in range(width))
        sdls[f"s{layer}"] = f'{LINK}type E @key(fields: "id") {{ id: ID! {external} {made} }}'
    return sdls, f"{{ e {{ {' '.join(f'l{layers}x{w}' for w in range(width))} }} }}"


def _fields(layer: int, width: int) -> str:
    return " ".join(f"l{layer}x{w}: Int" for w in range(width))


def unions(members: int, subgraphs: int, depth: int) -> Case:
    """Return a case whose operation selects a union inside its members, nested `depth` times.

    Every subgraph has the union of `members` entities, and one field that no other subgraph has."""
    types = " ".join(
        f'type M{n} @key(fields: "id") {{ id: ID! u: [U] @shareable x: Int @shareable }}'
        for n in range(members)
    )
    union = f"union U = {' | '.join(f'M{n}' for n in range(members))}"
    sdls = {
        f"s{n}": f"{LINK}type Query {{ u: U @shareable }} {union} {types} extend type M0 {{ y{n}: Int }}"
        for n in range(subgraphs)
    }
    query = " ".join(f"... on M{n} {{ x }}" for n in range(members))
    leaves = " ".join(f"y{n}" for n in range(subgraphs))
    for _ in range(depth):
        query = f"... on M0 {{ x {leaves} u {{ {query} }} }} ... on M1 {{ u {{ {query} }} }}"
    return sdls, f"{{ u {{ {query} }} }}"


CASES: Mapping[str, Callable[[], Case]] = {
    "500 fields, 10 subgraphs, 50 ways to each": lambda: many_keys(500, 11, 5),
    "500 fields, 10 subgraphs, 6 levels": lambda: nested(5, 10, 8),
    "5 layers of 10 fields, each requires the layer before": lambda: layered_requires(5, 10),
    "12 layers of 5 fields, each requires the layer before": lambda: layered_requires(12, 5),
    "unions of 8 entities in 8 subgraphs, 5 levels": lambda: unions(8, 8, 5),
}


def _measure(text: str, query: str, answers: "multiprocessing.Queue[tuple[float, float, str]]") -> None:
    supergraph = load_supergraph(text)
    engine = make_engine(supergraph, FakeTransport(lambda _: {}), Settings(limits=Limits(depth=100)))
    checked = check(engine, query)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    try:
        made = f"{len(prepare(engine, checked, pick(checked, None), {}).plan.fetches)} fetches"
    except GatewayError as error:
        made = error.code
    took = time.process_time() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers.put((took, (after - before) / 1024, made))


def main() -> None:
    """Plan every case and print its cost; the exit code is 1 if a case exceeds a limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", help="only cases whose name contains this text", default="")
    wanted = parser.parse_args().case
    processes = multiprocessing.get_context("spawn")
    failed = 0
    print(f"{'case':56} {'seconds':>8} {'MB':>7}  made")
    for name, make in CASES.items():
        if wanted not in name:
            continue
        sdls, query = make()
        text = compose([SubgraphSource(one, "", sdl) for one, sdl in sdls.items()]).supergraph
        answers: multiprocessing.Queue[tuple[float, float, str]] = processes.Queue()
        process = processes.Process(target=_measure, args=(text, query, answers))
        process.start()
        took, memory, made = answers.get(timeout=300)
        process.join()
        failed += took > SECONDS or memory > MEGABYTES
        print(f"{name:56} {took:8.3f} {memory:7.1f}  {made}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
