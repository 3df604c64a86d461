"""The differential fuzz as a command: `make fuzz SEED=1 CUTS=50 OPERATIONS=10000`."""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.compose.diagnostics import CompositionFailed
from tests.fuzz.case import Case, Question, Supply, write_case
from tests.fuzz.compare import Verdict
from tests.fuzz.cut import random_cut
from tests.fuzz.faults import random_faults, strict_inputs
from tests.fuzz.features import Figures
from tests.fuzz.monolith import random_data
from tests.fuzz.operations import random_operation
from tests.fuzz.replay import outcome_of
from tests.fuzz.rig import Outcome, Rig
from tests.fuzz.sdl import monolith_sdl, subgraph_sdl
from tests.fuzz.shrink import shrunk
from tests.fuzz.world import Fault


@dataclass(frozen=True, slots=True)
class Difference:
    """A case in which the gateway differs from the monolith."""

    name: str
    case: Case
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a cut.

    `anywhere`: except in keys. `in_mutations`: those of them for mutations. `of_keys`: also in keys.
    `unknown`: the objects that subgraphs do not have.
    """

    anywhere: tuple[Fault, ...]
    in_mutations: tuple[Fault, ...]
    of_keys: tuple[Fault, ...]
    unknown: tuple[str, ...]


NO_FAULTS = Faults((), (), (), ())


def supply_of(seed: str) -> tuple[Supply, set[tuple[str, str]]]:
    """Return a random supply, and the (type, field) that are in keys or never fail."""
    r = Random(seed)
    cut = random_cut(r)
    subgraphs = {name: subgraph_sdl(cut, view) for name, view in cut.views.items()}
    keys = {
        (kind, name)
        for kind, fields in cut.monolith.fields.items()
        for name, one in fields.items()
        if one.key or one.fixed
    }
    return Supply(monolith_sdl(cut), subgraphs, random_data(r, cut)), keys


def questions(rig: Rig, seed: str, count: int, faults: Faults) -> Iterator[Question]:
    """Yield operations on a supply, each with some active labels.

    Fields fail in every other operation; in one of eight, subgraphs also do not have some objects, and keys
    fail too.
    """
    for number in range(count):
        r = Random(f"{seed}/{number}")
        query, variables = random_operation(r, rig.world.schema)
        labels = tuple(label for label in sorted(rig.engine.supergraph.labels) if r.random() < 0.5)
        given = faults.in_mutations if query.startswith("mutation") else faults.anywhere
        if number % 8 == 3:
            yield Question(query, variables, faults.of_keys, labels, faults.unknown)
        else:
            yield Question(query, variables, given if number % 2 else (), labels)


def faults_of(name: str, rig: Rig, supply: Supply, keys: set[tuple[str, str]]) -> Faults:
    """Return the faults of a cut."""
    strict = strict_inputs(rig.world.schema, rig.world.requirements)
    anywhere = random_faults(Random(f"{name} faults"), rig.world.schema, supply.data, keys)
    r = Random(f"{name} unknown")
    objects = [f"{kind}/{index}" for kind, many in supply.data.items() for index in range(len(many))]
    return Faults(
        anywhere,
        tuple(one for one in anywhere if (one.object.partition("/")[0], one.field) not in strict),
        random_faults(r, rig.world.schema, supply.data, set()),
        tuple(f"{one} {name}" for one in rig.subgraphs for name in objects if r.random() < 0.15),
    )


def fuzz(seed: int, cuts: int, operations: int, figures: Figures) -> Iterator[Difference]:
    """Yield each difference when it is found, and count into `figures`."""
    with asyncio.Runner() as runner:
        for number in range(cuts):
            name = f"{seed}-{number}"
            share = operations * (number + 1) // cuts - operations * number // cuts
            yield from _fuzz_cut(name, share, figures, runner)


def _fuzz_cut(name: str, operations: int, figures: Figures, runner: asyncio.Runner) -> Iterator[Difference]:
    supply, keys = supply_of(name)
    figures.cuts += 1
    try:
        rig = Rig(supply)
    except CompositionFailed as error:
        verdict = Verdict("composition", "\n".join(map(str, error.problems)))
        figures.add(Outcome(verdict), False)
        yield Difference(name, Case(supply, Question("{ __typename }")), verdict)
        return
    if not rig.same_schema:
        verdict = Verdict("schema", "clients do not see the monolith's schema")
        figures.add(Outcome(verdict), False)
        yield Difference(name, Case(supply, Question("{ __typename }")), verdict)
    faults = faults_of(name, rig, supply, keys)
    for index, question in enumerate(questions(rig, name, operations, faults)):
        outcome = rig.outcome(question, rig.monolith(question), runner)
        figures.add(outcome, bool(question.faults))
        if outcome.verdict.kind:
            yield Difference(f"{name}-{index}", Case(supply, question), outcome.verdict)


def main() -> int:
    """Run, print the counts, write the shrunk cases of differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--cases", type=Path, default=Path("tests/cases/fuzz"), help="where shrunk cases go")
    parser.add_argument(
        "--keep", type=int, default=5, help="how many differences are shrunk and written, one of a kind"
    )
    parser.add_argument("--stop", action="store_true", help="stop at the first difference, do not shrink it")
    parser.add_argument("--kept", action="store_true", help="the kept cases first; stop where one differs")
    given = parser.parse_args()
    for folder in sorted(given.cases.iterdir()) if given.kept else ():
        if (verdict := outcome_of(folder).verdict).kind:
            print(f"{folder.name}: {verdict.kind}: {verdict.text[:600]}")
            return 1
    gc.set_threshold(50_000, 20, 50)  # a fifth of the processor time was the collector's
    figures, started = Figures(), time.monotonic()
    kinds: set[str] = set()
    for difference in fuzz(given.seed, given.cuts, given.operations, figures):
        print(f"{difference.name}: {difference.verdict.kind}: {difference.verdict.text[:600]}", flush=True)
        if given.stop:
            return 1
        if difference.verdict.kind not in kinds and len(kinds) < given.keep:
            kinds.add(difference.verdict.kind)
            write_case(shrunk(difference.case, difference.verdict.kind), given.cases / difference.name)
    print(f"fuzz, seed {given.seed}, {time.monotonic() - started:.0f} s\n{figures.table()}")
    lacking = figures.shortfalls() if given.operations >= 5000 else []
    print("".join(f"  not enough: {one}\n" for one in lacking), end="")
    return 1 if lacking or figures.differences else 0


if __name__ == "__main__":
    sys.exit(main())
