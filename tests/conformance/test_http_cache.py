"""The rules of gateway/cache against npm's http-cache-tests, by which other HTTP caches are compared."""

from subprocess import CalledProcessError, TimeoutExpired

import pytest

from tests.conformance.http_cache.report import SUITES, failures, reason_of, table
from tests.conformance.http_cache.runner import HERE, Run, run_all
from tests.oracle.programs import NO_NODE, find_node, install

pytestmark = pytest.mark.skipif(find_node() is None, reason=NO_NODE)
NO_PACKAGE = (
    "npm cannot install http-cache-tests (no registry?): the comparison with its 329 tests is left out"
)


@pytest.fixture(scope="module")
async def run() -> Run:
    """Return the results of all tests."""
    try:
        install(HERE)
    except (CalledProcessError, TimeoutExpired) as error:
        pytest.skip(f"{NO_PACKAGE}: {error}")
    found = await run_all()
    print("\n".join(table(found)))  # noqa: T201 - pytest shows it with -s, and when a test fails
    return found


async def test_required_tests_pass(run: Run) -> None:
    """Every required test about freshness, directives, Age, staleness, Vary and Authorization passes."""
    assert [(one.id, one.wrong) for one in failures(run)] == []
    passed = [
        one
        for one in run.outcomes.values()
        if one.suite in SUITES and one.kind == "required" and not one.wrong
    ]
    assert len(passed) == 49


async def test_nothing_stale_is_used_where_a_directive_forbids_it(run: Run) -> None:
    """The proxy answers 504 itself in the tests of forbidden staleness.

    The package cannot judge them unless a cache uses stale responses without permission (`stale-close`), and
    then counts the 504 as a response from the cache.
    """
    forbidden = {"must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"}
    assert {f"stale-close-{one}" for one in forbidden} <= run.refusals


async def test_what_does_not_pass_has_a_reason(run: Run) -> None:
    """All 329 tests have run, and those that do not pass, of any suite and kind, are known with a reason."""
    assert len(run.outcomes) == 329
    assert {one.id: one.wrong for one in run.outcomes.values() if one.wrong and not reason_of(one)} == {}
    wrong = dict.fromkeys(("required", "optimal", "check"), 0)
    for one in run.outcomes.values():
        wrong[one.kind] += bool(one.wrong)
    assert wrong == {"required": 5, "optimal": 11, "check": 42}
