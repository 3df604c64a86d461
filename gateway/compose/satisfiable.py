"""Satisfiability: can the subgraphs resolve every query that the supergraph's schema allows?

There are infinitely many queries, but finitely many states of objects (see `states`). So the check visits
each state once, beginning at the root types, by the first path that leads to it.
"""

from collections import deque
from collections.abc import Iterator, Set
from itertools import combinations

from gateway.compose.diagnostics import Report
from gateway.compose.mutations_once import check_mutations
from gateway.compose.states import LIMIT, Visit, WalkState, explain, follow
from gateway.supergraph.model import Supergraph
from gateway.supergraph.query_graph import QueryGraph

EXHAUSTED = 5


def check_satisfiable(supergraph: Supergraph, report: Report) -> tuple[QueryGraph, Set[WalkState]]:
    """Report SATISFIABILITY_ERROR, with an example query, for every field of a state that can't be resolved.

    Returns the query graph for no active override label, and its states (none if one has an error). The
    labels of progressive @overrides change the graph: with up to EXHAUSTED labels every combination is
    checked, with more labels none, all, each one alone, and all without each one.
    """
    reported: set[str] = set()
    walked: list[tuple[QueryGraph, Set[WalkState]]] = []
    for labels in _combinations(sorted(supergraph.labels)):
        graph = QueryGraph(supergraph, labels)
        states = _walk(graph, reported, report)
        check_mutations(graph, states, reported, report)
        walked = walked or [(graph, states)]
    return walked[0]


def _combinations(labels: list[str]) -> Iterator[frozenset[str]]:
    if len(labels) <= EXHAUSTED:
        for size in range(len(labels) + 1):
            yield from map(frozenset, combinations(labels, size))
        return
    everyone = frozenset(labels)
    yield from (frozenset(), everyone)
    for one in labels:
        yield frozenset({one})
        yield everyone - {one}


def _walk(graph: QueryGraph, reported: set[str], report: Report) -> Set[WalkState]:
    """Visit all states and report errors. Returns the states, or an empty set if there was an error.

    `reported`: the coordinates that already have an error; new ones are added.
    """
    waiting: deque[Visit] = deque()
    seen: set[WalkState] = set()
    sound = True
    for kind, name in graph.supergraph.roots.items():
        waiting.append(Visit(WalkState(name, frozenset()), (kind,)))
    while waiting and len(seen) < LIMIT:
        visit = waiting.popleft()
        if visit.state in seen:
            continue
        seen.add(visit.state)
        for following, failed in follow(graph, visit, report):
            if failed:
                sound = False
                if failed not in reported:
                    reported.add(failed)
                    report.error("SATISFIABILITY_ERROR", explain(graph, visit, failed), coordinate=failed)
            elif following is not None:
                waiting.append(following)
    if waiting and len(seen) >= LIMIT:
        message = f"checking satisfiability would visit more than {LIMIT:,} states"
        report.error("MAX_VALIDATION_SUBGRAPH_PATHS_EXCEEDED", message, coordinate=waiting[0].state.type)
        sound = False
    return seen if sound else frozenset()
