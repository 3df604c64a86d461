"""Cases as text: SDLs and the result of their composition, queries and their plans.

`REWRITE=1 make test ARGS=tests/gateway/test_cases.py` writes the expected texts; check the diff.
"""

import os
from pathlib import Path

import pytest

from gateway.compose.compose import compose
from gateway.compose.diagnostics import CompositionFailed
from gateway.compose.ingest import SubgraphSource
from gateway.pipeline import check, pick, prepare, variables_for
from gateway.plan.explain import print_plan
from gateway.transport.local import LocalTransport
from tests.gateway.support import engine_of

CASES = Path(__file__).parent.parent / "cases"
REWRITE = os.environ.get("REWRITE") == "1"


def expect(path: Path, got: str) -> None:
    """Compare a text with a file; with REWRITE=1 write the file first."""
    if REWRITE:
        path.write_text(got)
    assert path.read_text() == got


@pytest.mark.parametrize("folder", sorted(path.name for path in (CASES / "compose").iterdir()))
def test_composition(folder: str) -> None:
    """The SDLs of a folder give the supergraph, or the errors, in the files beside them."""
    files = sorted(
        path for path in (CASES / "compose" / folder).glob("*.graphql") if path.name != "expected.graphql"
    )
    sources = [SubgraphSource(path.stem, "", path.read_text()) for path in files]
    try:
        result = compose(sources)
    except CompositionFailed as error:
        assert not (CASES / "compose" / folder / "expected.graphql").exists() or REWRITE
        expect(CASES / "compose" / folder / "errors.txt", "\n".join(map(str, error.problems)) + "\n")
        return
    expect(CASES / "compose" / folder / "expected.graphql", result.supergraph)


@pytest.mark.parametrize("file", sorted(path.name for path in (CASES / "plan").glob("*.txt")))
def test_plan(file: str) -> None:
    """A page of SDLs and a query has the plan at its end, with the active labels that it names."""
    path = CASES / "plan" / file
    head, _, _ = path.read_text().partition("\n== plan\n")
    sections = dict(part.split("\n", 1) for part in head.split("== ")[1:])
    query = sections.pop("query")
    labels = frozenset(sections.pop("labels", "").split())
    sources = [SubgraphSource(name.removeprefix("subgraph "), "", sdl) for name, sdl in sections.items()]
    engine = engine_of(compose(sources).supergraph, LocalTransport({}))
    checked = check(engine, query)
    node = pick(checked, None)
    prepared = prepare(engine, checked, node, variables_for(engine, node, {}), labels)
    expect(path, f"{head}\n== plan\n{print_plan(prepared.plan)}")
