"""Runs one stored case: `python -m tests.fuzz.replay FOLDER` prints the plan, the requests, and both
responses.
"""

import asyncio
import json
import sys
from pathlib import Path

from gateway.pipeline import check, pick, prepare, variables_for
from gateway.plan.explain import print_plan
from tests.fuzz.case import read_case
from tests.fuzz.rig import Outcome, Rig


def outcome_of(folder: Path) -> Outcome:
    """Return the outcome of a stored case."""
    case = read_case(folder)
    rig = Rig(case.supply)
    with asyncio.Runner() as runner:
        return rig.outcome(case.question, rig.monolith(case.question), runner)


def main(folder: Path) -> None:
    """Print a stored case."""
    case = read_case(folder)
    rig, question = Rig(case.supply), case.question
    checked = check(rig.engine, question.query)
    node = pick(checked, None)
    prepared = prepare(rig.engine, checked, node, variables_for(rig.engine, node, question.variables))
    print(print_plan(prepared.plan))
    want = rig.monolith(question)
    with asyncio.Runner() as runner:
        outcome = rig.outcome(question, want, runner)
    for request in rig.transport.requests:
        print(request.subgraph, request.query, json.dumps(request.variables))
    print("monolith:", json.dumps(want.data), want.errors)
    print(outcome.verdict.kind or "no difference", outcome.verdict.text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
