"""The benchmark's own parts: its subgraphs answer a plan's requests, over HTTP and in process, and its
results have their fields.
"""

import json
import os
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from bench.answers import load_subgraphs
from bench.data import QUERIES, RESULTS, SUBGRAPHS, read_query, supergraph
from bench.door import Door
from bench.guard import guarded
from bench.report import PAGE, Figure, table, verdicts
from bench.subgraphs import serve
from gateway.app import create_app
from gateway.settings import Settings, SubgraphSettings

FOLDER = Path(os.environ.get("SHARED", "../shared")) / "bench"
FIELDS = (
    "system",
    "query",
    "shared",
    "connections",
    "cpu_ms",
    "rps",
    "p50_ms",
    "p99_ms",
    "rss_mb",
    "fetches",
    "ratio_to_ceiling",
)
needs_data = pytest.mark.skipif(
    not FOLDER.exists(), reason="no SHARED/bench: the benchmark's data; say SHARED=DIR"
)


@needs_data
@pytest.mark.parametrize("name", QUERIES)
async def test_answers_over_http(name: str) -> None:
    """Over the subgraph server the gateway gives a query's exact answer, and the server has counted its
    requests.
    """
    async with await serve(0) as server:
        port = server.sockets[0].getsockname()[1]
        urls = {one: SubgraphSettings(f"http://127.0.0.1:{port}/{one}") for one in SUBGRAPHS}
        routes = create_app(supergraph(port), Settings(subgraphs=urls, graphiql=False))
        async with routes.router.router.lifespan_context(routes.router):
            query = read_query(name)
            query.check(await Door(routes).post(query.body), "ours")


@needs_data
@pytest.mark.parametrize("name", QUERIES)
async def test_answers_in_process(name: str) -> None:
    """Called directly they give the same, with as many requests as the query needs at most, and remember
    their answers.
    """
    subgraphs = load_subgraphs(FOLDER)
    door = Door(
        create_app(supergraph(4200), Settings(graphiql=False), {n: one.call for n, one in subgraphs.items()})
    )
    query = read_query(name)
    for _ in range(2):
        query.check(await door.post(query.body), "ours")
    asked = sum(one.requests for one in subgraphs.values())
    assert asked <= 2 * (7 if name == "heavy" else 1)
    assert sum(len(one.kept) for one in subgraphs.values()) == asked // 2


@needs_data
@pytest.mark.parametrize("name", QUERIES)
async def test_requirements_of_the_guards_benchmark(name: str) -> None:
    """The supergraph with requirements can be served, and both queries need rights."""
    subgraphs = {n: one.call for n, one in load_subgraphs(FOLDER).items()}
    door = Door(create_app(guarded(supergraph(4200)), Settings(graphiql=False), subgraphs))
    found = json.loads(await door.post(read_query(name).body))
    assert "UNAUTHORIZED_FIELD_OR_TYPE" in {one["extensions"]["code"] for one in found["errors"]}


@needs_data
def test_wrong_answer_ends_the_run() -> None:
    """A response with other data than expected, or with errors, ends the benchmark with the system's name."""
    query = read_query("light")
    right = {"data": query.expected}
    query.check(json.dumps(right).encode(), "it")
    wrong: list[Any] = [{"data": None}, {**right, "errors": [{"message": "no"}]}, []]
    for answer in wrong:
        with pytest.raises(SystemExit, match="it must answer the light query"):
            query.check(json.dumps(answer).encode(), "it")


def test_results_have_their_fields() -> None:
    """The committed results are a list of figures with exactly the agreed fields, and the page is made of
    them.
    """
    assert [field.name for field in fields(Figure)] == [*FIELDS]
    rows = json.loads((RESULTS / "latest.json").read_text())
    assert rows and all(list(row) == [*FIELDS] for row in rows)
    assert (
        table(("what", "bound", "measured"), list(verdicts([Figure(**row) for row in rows])))
        in PAGE.read_text()
    )


def test_medians() -> None:
    """A median figure takes each number's middle on its own."""
    figures = [Figure("it", "light", False, 1, rps, 10 - rps, 0, 0, 0, 0, rps) for rps in (1.0, 9.0, 2.0)]
    found = Figure.median(figures, median)
    assert (found.cpu_ms, found.rps, found.ratio_to_ceiling) == (2.0, 8.0, 2.0)
