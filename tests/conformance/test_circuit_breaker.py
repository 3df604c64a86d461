"""The public cases of circuit breakers (SHARED/conformance/policies), as outcomes of calls that a breaker is
given. What the breaker's user decides is not yet due: WIRING says which cases these are.
"""

import json
from functools import cache
from typing import Any

import pytest

from gateway.core.clock import FakeClock
from gateway.resilience.breaker import Breaker, BreakerLimits, State
from tests.conformance.suites import ABSENT, FOLDER

FILE = FOLDER / "policies" / "circuit-breaker.json"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=ABSENT)
STATUSES = "which statuses count is decided where replies of subgraphs are read"
SUBSCRIPTIONS = "which events of a subscription count is decided where subscriptions are opened"
SETTINGS = "settings per subgraph, and breakers that are off, need subgraphs with breakers"
WIRING = {
    "longer-timeout-for-one-subgraph": SETTINGS,
    "only-one-subgraph-has-a-breaker": SETTINGS,
    "off-never-opens": SETTINGS,
    "off-for-one-subgraph": SETTINGS,
    "body-of-a-503-reaches-the-client": SETTINGS,
    "500-in-the-list": STATUSES,
    "504-matches-50x": STATUSES,
    "510-does-not-match-50x": STATUSES,
    "404-does-not-count": STATUSES,
    "subscription-that-cannot-start-counts": SUBSCRIPTIONS,
    "errors-after-a-subscription-started": SUBSCRIPTIONS,
}
"""The cases that are not yet due, with the reason: no subgraph has a breaker yet. Their outcomes are those of
the subgraph, not of the breaker."""


@cache
def document() -> Any:
    """Return the file's content; without cases if it is absent."""
    return json.loads(FILE.read_text()) if FILE.exists() else {"cases": [], "defaults": {}}


def due() -> list[Any]:
    """Return the cases of the breaker alone, as parameters."""
    return [pytest.param(case, id=case["name"]) for case in document()["cases"] if case["name"] not in WIRING]


def limits_of(case: Any) -> BreakerLimits:
    """Return the breaker's limits of a case.

    In the file, the outcome after `sample` others decides, and so does the one after `probes` others.
    """
    given = {**document()["defaults"], **case["settings"]["all"]["breaker"]}
    pause = given["open_ms"] / 1000
    return BreakerLimits(
        window=given["sample"],
        minimum=given["sample"],
        ratio=given["error_rate"],
        pause=pause,
        longest_pause=pause,
        probes=given["probes"] + 1,
    )


@pytest.mark.parametrize("case", due())
async def test_states(case: Any) -> None:
    """The breaker allows the calls that reach the subgraph, and ends in the states of the case."""
    clock = FakeClock()
    transitions: list[list[str]] = []
    breaker = Breaker(limits_of(case), clock, lambda *states: transitions.append([*states]))
    calls = 0
    for step in case["steps"]:
        await clock.advance(step.get("wait_ms", 0) / 1000)
        for _ in range(step.get("times", 0)):
            assert breaker.acquire() is step["reaches_subgraph"]
            if step["reaches_subgraph"]:
                calls += 1
                failed = step["subgraph"].get("unreachable") or step["subgraph"]["status"] == 503
                (breaker.failure if failed else breaker.success)()
        assert "state_after" not in step or breaker.state == State(step["state_after"])
    end = case["end"]
    assert (calls, breaker.state) == (end["calls"], end["state"])
    assert (breaker.failures, breaker.rejections) == (end["failures"], end["short_circuits"])
    assert transitions == end["transitions"]


def test_cases_of_the_wiring() -> None:
    """Each name in the list of cases that are not yet due is that of a case."""
    assert WIRING.keys() <= {case["name"] for case in document()["cases"]}
    assert len(due()) >= 9
