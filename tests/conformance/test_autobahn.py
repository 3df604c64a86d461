"""The frame layer against Autobahn's test suite: sections 1 to 7 and 10, and some cases of 9, 12 and 13."""

import asyncio
from collections import Counter
from subprocess import CalledProcessError, TimeoutExpired

import pytest

from tests.conformance.autobahn.echo import Mode
from tests.conformance.autobahn.environment import NO_PACKAGE, NO_PYTHON, find_python, install
from tests.conformance.autobahn.runner import Outcome, run_twice

pytestmark = pytest.mark.skipif(find_python() is None, reason=NO_PYTHON)
SECONDS = 120.0  # for each run, on a busy machine
WHOLE = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 10: 1}
"""The number of cases of a section."""
LIMITS = ("9.1.1", "9.1.2", "9.2.1", "9.2.2", "9.6.6", "9.7.1", "9.8.1")
CONTEXTS = ("12.1.1", "12.2.1", "12.4.2", "13.1.1", "13.3.1", "13.5.1", "13.7.1")
DEFLATE = ("12.1.1", "12.3.2", "13.2.1", "13.4.1", "13.6.1")
RUNS = (
    (Mode.PLAIN, ("1.*", "2.*", "3.*", "4.*", "5.*", "7.*", "10.*")),
    (Mode.PLAIN, ("6.*", *LIMITS)),
    (Mode.CONTEXTS, CONTEXTS),
    (Mode.DEFLATE, DEFLATE),
)


@pytest.fixture(scope="module")
async def runs() -> list[list[Outcome]]:
    """Return the outcomes of all runs, which run at the same time: most cases wait."""
    try:
        await asyncio.to_thread(install)
    except (CalledProcessError, TimeoutExpired) as error:
        pytest.skip(f"{NO_PACKAGE}: {error}")
    return await asyncio.gather(*(run_twice(cases, mode, SECONDS) for mode, cases in RUNS))


async def test_no_case_fails(runs: list[list[Outcome]]) -> None:
    """No case fails, not even in how the connection ends, and each has run."""
    assert [one for outcomes in runs for one in outcomes if not one.passed] == []
    counts = Counter(one.section for one in (*runs[0], *runs[1]))
    assert counts == {**WHOLE, 9: len(LIMITS)}
    assert [len(outcomes) for outcomes in runs[2:]] == [len(CONTEXTS), len(DEFLATE)]


async def test_violations_are_found_at_once(runs: list[list[Outcome]]) -> None:
    """No case is NON-STRICT: even UTF-8 that arrives byte by byte fails with the first wrong byte."""
    found = {one.case for outcomes in runs for one in outcomes if one.behavior != "OK"}
    assert found == {"7.1.6", "7.13.1", "7.13.2"}  # informational: no behaviour is wrong
