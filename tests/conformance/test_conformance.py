"""The public federation audit's suites, over the given and the composed supergraph, in process and
over HTTP.
"""

from collections.abc import Iterator

import pytest

from tests.conformance.suites import ABSENT, SOURCES, SUITES, WAYS, Served, best, read_peers, run_suite, serve

pytestmark = pytest.mark.skipif(not SUITES, reason=ABSENT)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """The suites' subgraphs."""
    with serve() as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", SUITES)
async def test_suite(name: str, source: str, way: str, served: Served) -> None:
    """Every answer of the suite is as expected, with no more subgraph requests than the best peer that
    passes.
    """
    peers = read_peers()[name]
    outcomes = await run_suite(name, source, way, served)
    assert {index: one.wrong for index, one in enumerate(outcomes) if one.wrong} == {}
    marks = {index: best(peers[str(index)]) for index in range(len(outcomes))}
    wasteful = {
        i: one.asked for i, one in enumerate(outcomes) if len(one.asked) > (marks[i] or len(one.asked))
    }
    assert wasteful == {}
