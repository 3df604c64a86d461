"""`make autobahn`: every case of Autobahn's test suite, those of compression with contexts of connections.

Prints the counts of each section. The exit code is 1 if a case fails.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.conformance.autobahn.echo import Mode
from tests.conformance.autobahn.environment import accelerate
from tests.conformance.autobahn.runner import Outcome, run_twice

SECONDS = 3_600.0  # for each run
RUNS = (
    (Mode.PLAIN, ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*")),
    (Mode.CONTEXTS, ("12.*",)),
    (Mode.CONTEXTS, ("13.*",)),
    (Mode.DEFLATE, ("12.1.*", "13.1.*")),
)
NAMES = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    9: "limits, performance",
    10: "automatic fragmentation",
    12: "compression",
    13: "windows and contexts",
}
BEHAVIORS = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")


def table(mode: Mode, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Return the lines of the report about one run."""
    yield f"{mode.value:28}" + "".join(f"{name:>15}" for name in (*BEHAVIORS, "FAILED"))
    for section in sorted({one.section for one in outcomes}):
        every = [one for one in outcomes if one.section == section]
        counts = Counter(one.behavior if one.passed else _failure(one) for one in every)
        cells = "".join(f"{counts[name]:>15}" for name in (*BEHAVIORS, "FAILED"))
        yield f"{section:4} {NAMES[section]:23}{cells}"
    for one in outcomes:
        if one.behavior != "OK" or one.close != "OK":
            yield f"  {one.case}: {one.behavior}, at the end {one.close}"


def _failure(outcome: Outcome) -> str:
    """Return the column of a case that has not passed."""
    return "UNIMPLEMENTED" if outcome.behavior == "UNIMPLEMENTED" else "FAILED"


async def run_all() -> list[list[Outcome]]:
    """Run all cases, several at a time."""
    return await asyncio.gather(*(run_twice(cases, mode, SECONDS) for mode, cases in RUNS))


def main() -> int:
    """Run all cases, print the report, and return the exit code."""
    if not accelerate():
        sys.stdout.write("no compiler for a part of the suite: this takes long\n")
    found = asyncio.run(run_all())
    for (mode, _), outcomes in zip(RUNS, found, strict=True):
        sys.stdout.write("".join(f"{line}\n" for line in table(mode, outcomes)))
    return 0 if all(one.passed for outcomes in found for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
