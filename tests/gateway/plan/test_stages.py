"""The result of each stage of planning for each page of `tests/cases/plan`, as text:
`tests/cases/stages/NAME.txt`.

A change of one stage changes the texts from that stage on. After such a change, write the texts with
`REWRITE=1 make test ARGS=tests/gateway/plan`, and read the diff.
"""

from pathlib import Path

import pytest

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.pipeline import check, pick, prepare, variables_for
from gateway.plan import planner
from gateway.plan.explain import print_plan
from gateway.plan.fetch_graph import FetchGroup
from gateway.plan.passes import PASSES
from gateway.request.operation import print_selections
from gateway.shape.introspect import without_meta
from gateway.supergraph.query_graph import QueryGraph
from gateway.transport.local import LocalTransport
from tests.gateway.support import engine_of
from tests.gateway.test_cases import CASES, expect

PAGES = sorted((CASES / "plan").glob("*.txt"))


def place(groups: list[FetchGroup]) -> list[FetchGroup]:
    """Return the groups unchanged: a pass that shows the input of the passes."""
    return groups


def stages(page: Path) -> tuple[str, str]:
    """Return each stage's name and result as text, and the final plan.

    The stages are the normalized operation, the placed groups, and the groups after each pass. A mutation has
    them for each of its own stages.
    """
    head, _, _ = page.read_text().partition("\n== plan\n")
    sections = dict(part.split("\n", 1) for part in head.split("== ")[1:])
    query, labels = sections.pop("query"), frozenset(sections.pop("labels", "").split())
    sources = [SubgraphSource(name.removeprefix("subgraph "), "", sdl) for name, sdl in sections.items()]
    engine = engine_of(compose(sources).supergraph, LocalTransport({}))
    checked = check(engine, query)
    node = pick(checked, None)
    prepared = prepare(engine, checked, node, variables_for(engine, node, {}), labels)
    operation = without_meta(prepared.operation, engine.supergraph.roots.values())
    plan = planner.plan_operation(QueryGraph(engine.supergraph, labels), operation, explain=True)
    parts = [f"== normalize\n{operation.kind} {print_selections(operation.selections)}\n"]
    before = ""
    for name, text in plan.explained:
        same = name != place.__name__ and text == before
        parts.append(f"== {name}\n{'as before' if same else text.rstrip()}\n")
        before = text
    return "\n".join(parts), print_plan(plan)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_stages(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage of a page's plan is as in its text."""
    monkeypatch.setattr(planner, "PASSES", (place, *PASSES))
    text, plan = stages(page)
    expect(CASES / "stages" / page.name, text)
    assert page.read_text().endswith(f"\n== plan\n{plan}")


def test_there_is_a_page_for_each_text() -> None:
    """Each text belongs to a page."""
    assert {path.name for path in (CASES / "stages").glob("*.txt")} == {page.name for page in PAGES}
