"""Runs the peers and our gateway on random cuts: `make oracle-peers ARGS="--seed 1 --cuts 20 --operations
400"`.

Prints for each peer how many operations had each kind of difference (`peers_known.py`) and how many are
unjudged. If two peers agree with each other but not with us, the operation is a finding: it is printed, and
with `--keep` the first of each kind is shrunk and written.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from tests.fuzz.case import Case, write_case
from tests.fuzz.model import BIG_NUMBERS
from tests.fuzz.peers import PEERS, Peer
from tests.fuzz.peers_known import ANSWERS, DIRECTIVE_NOT_SENT, PLACES, Seen, kind_of
from tests.fuzz.rig import Rig
from tests.fuzz.run import NO_FAULTS, faults_of, questions, supply_of
from tests.fuzz.shrink import shrunk
from tests.oracle.programs import NO_NODE, find_node


@dataclass(frozen=True, slots=True)
class Round:
    """One question to our gateway and all peers.

    `kinds`: the kind of difference by peer, "" for none. `agreed`: the peers that agree with each other, but
    not with us.
    """

    name: str
    case: Case
    seen: Mapping[str, Seen]
    kinds: Mapping[str, str]
    agreed: tuple[str, ...] = ()

    @property
    def finding(self) -> str:
        """Return the peers that agree with each other but not with us, with their kinds; "" if there are
        none.
        """
        return ", ".join(f"{peer}: {self.kinds[peer]}" for peer in self.agreed)


@dataclass(slots=True)
class Tally:
    """The number of operations by peer and kind; the kind "" counts equal responses."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    findings: Counter[str] = field(default_factory=Counter)

    def add(self, one: Round) -> None:
        """Count one round."""
        for peer, kind in one.kinds.items():
            self.counts.setdefault(peer, Counter())[kind] += 1
        self.findings[one.finding] += bool(one.finding)

    @property
    def unjudged(self) -> int:
        """Return the number of responses that differ in a way that no kind covers."""
        return sum(counts["unjudged"] for counts in self.counts.values())

    def table(self) -> str:
        """Return all counts as text, one per line."""
        names = [kind.name for kind in ANSWERS] + [DIRECTIVE_NOT_SENT.name] + [kind.name for kind in PLACES]
        lines = []
        for peer, counts in self.counts.items():
            lines.append(f"{peer}, {PEERS[peer]}: {counts['']} of {counts.total()} equal")
            judged = [one for one in names if counts[one]]
            lines += [f"  {kind:<60} {counts[kind]:>6}" for kind in judged]
        lines += [f"agreed, {count}: {text}" for text, count in self.findings.items() if count]
        return "\n".join([*lines, f"unjudged {self.unjudged}"])


class Table:
    """Runs a question on our gateway and on the peers, one after the other."""

    def __init__(self, names: Sequence[str] = tuple(PEERS)) -> None:
        self.peers = [Peer(name) for name in names]

    def round(self, name: str, case: Case, rig: Rig, runner: asyncio.Runner) -> Round:
        """Return one question with its kinds of differences."""
        question, world = case.question, rig.world
        world.spelling = False
        want = rig.monolith(question)
        mutations = world.mutations
        ours = rig.outcome(question, want, runner)
        seen = {
            peer.name: Seen(peer.name, rig, question, ours, peer.ask(rig, question, runner), mutations)
            for peer in self.peers
        }
        return Round(name, case, seen, {peer: kind_of(one) for peer, one in seen.items()}, _agreed(seen))

    def end(self) -> None:
        """End all processes."""
        for peer in self.peers:
            peer.end()


def _agreed(seen: Mapping[str, Seen]) -> tuple[str, ...]:
    """Return the peers that differ from us but not from each other; responses without data do not count."""
    differing = [peer for peer, one in seen.items() if one.differs and one.theirs.data is not None]
    found: set[str] = set()
    for left, right in combinations(differing, 2):
        one, other = seen[left].theirs, seen[right].theirs
        if one.data == other.data and bool(one.errors) == bool(other.errors):
            found |= {left, right}
    return tuple(peer for peer in seen if peer in found)


def rounds(
    table: Table,
    seed: int,
    cuts: int,
    operations: int,
    *,
    faulty: bool = False,
    contexts: bool = True,
    big_numbers: bool = False,
) -> Iterator[Round]:
    """Yield the results for random cuts and operations; with big numbers they are those of `make fuzz`.

    `faulty`: whether fields fail in every other operation. `contexts`: whether to include cuts with contexts.
    """
    BIG_NUMBERS.set(big_numbers)
    share, number, done = max(operations // cuts, 1), 0, 0
    with asyncio.Runner() as runner:
        while done < cuts:
            name = f"{seed}-{number}"
            number += 1
            supply, keys = supply_of(name)
            rig = Rig(supply)
            if rig.world.contexts and not contexts:
                continue
            done += 1
            faults = faults_of(name, rig, supply, keys) if faulty else NO_FAULTS
            for index, question in enumerate(questions(rig, name, share, faults)):
                yield table.round(f"{name}-{index}", Case(supply, question), rig, runner)


def shrunk_finding(one: Round, table: Table) -> Case:
    """Return the smallest case in which the same peers agree and differ from us in the same kinds."""

    def finding(case: Case, rig: Rig) -> str:
        with asyncio.Runner() as runner:
            return table.round(one.name, case, rig, runner).finding

    return shrunk(one.case, one.finding, finding)


def told(one: Round) -> str:
    """Return a round as text."""
    ours = one.seen[next(iter(one.seen))].ours
    lines = [
        f"{one.name}: ours ({ours.verdict.kind or 'as the monolith'}): {json.dumps(ours.response)[:400]}"
    ]
    for peer, seen in one.seen.items():
        if one.kinds[peer]:
            theirs = seen.theirs
            lines.append(
                f"  {peer}: {one.kinds[peer]}: {json.dumps(theirs.data)[:400]} {theirs.messages[:300]}"
            )
            lines += [
                f"    at {path}: {mine!r:.60}, not {other!r:.60}" for path, mine, other in seen.places[:3]
            ]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--operations", type=int, default=400)
    parser.add_argument("--faults", action="store_true", help="something fails in every other operation")
    parser.add_argument("--no-contexts", action="store_true", help="pass over cuts with @context")
    parser.add_argument(
        "--big-numbers", action="store_true", help="integers beyond 64 bits, as in `make fuzz`"
    )
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument(
        "--cases", type=Path, default=Path("tests/cases/peers"), help="where shrunk findings go"
    )
    parser.add_argument("--keep", type=int, default=0, help="how many findings are shrunk, one of a kind")
    return parser.parse_args()


def main() -> int:
    """Run, print the counts, write shrunk findings."""
    if find_node() is None:
        print(NO_NODE)
        return 1
    given, tally, started = _arguments(), Tally(), time.monotonic()
    table, kept = Table(given.peers), set[str]()
    faulty, contexts, big = given.faults, not given.no_contexts, given.big_numbers
    size = (given.seed, given.cuts, given.operations)
    for one in rounds(table, *size, faulty=faulty, contexts=contexts, big_numbers=big):
        tally.add(one)
        if one.finding or "unjudged" in one.kinds.values():
            print(told(one), flush=True)
        if one.finding and one.finding not in kept and len(kept) < given.keep:
            kept.add(one.finding)
            write_case(shrunk_finding(one, table), given.cases / one.name)
            print(f"  kept in {given.cases / one.name}: write its verdict.txt", flush=True)
    table.end()
    print(f"peers, seed {given.seed}, {time.monotonic() - started:.0f} s\n{tally.table()}")
    return 1 if tally.unjudged else 0


if __name__ == "__main__":
    sys.exit(main())
