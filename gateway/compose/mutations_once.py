"""Checks that a mutation can run once: some single subgraph must resolve each root mutation field completely.

If several subgraphs share the field, it is sent to one of them. That subgraph, with the entity lookups that
are possible from it, must resolve every selection on the field.

Example: a and b share `Mutation.make: Made`, a has `Made.left` and b has `Made.right`. As a query `{ make {
left right } }` could be sent to both; as a mutation it would run twice. So composition refuses it, unless
Made has a key by which the other field can be looked up.
"""

from collections import deque
from collections.abc import Set

from gateway.compose.diagnostics import Report
from gateway.compose.states import LIMIT, Visit, WalkState, explain, follow
from gateway.supergraph.query_graph import QueryGraph


def check_mutations(graph: QueryGraph, sound: Set[WalkState], reported: set[str], report: Report) -> None:
    """Report SATISFIABILITY_ERROR for each root mutation field that no single subgraph resolves completely.

    `sound`: states from which everything can be resolved. `reported`: coordinates that already have an error,
    and are not reported again; new ones are added.
    """
    root = graph.supergraph.roots.get("mutation")
    if root is None:
        return
    known = set(sound)
    start = Visit(WalkState(root, frozenset()), ("mutation",))
    for visit, _ in follow(graph, start, Report()):
        if visit is None or len({vertex.subgraph for vertex in visit.state.vertices}) < 2:
            continue
        coordinate = f"{root}.{visit.path[-1]}"
        if coordinate in reported:
            continue
        failures = _failures(graph, visit, known)
        if failures:
            reported.add(coordinate)
            report.error("SATISFIABILITY_ERROR", _message(coordinate, failures), coordinate=coordinate)


def _failures(graph: QueryGraph, visit: Visit, known: set[WalkState]) -> list[tuple[str, str]]:
    """Return for each subgraph that shares the field a selection it can't resolve, or [] if some subgraph has
    none.

    Adds to `known` the states from which everything can be resolved, so that they are not visited again.
    """
    failures: list[tuple[str, str]] = []
    for subgraph in sorted({vertex.subgraph for vertex in visit.state.vertices}):
        vertices = frozenset(one for one in visit.state.vertices if one.subgraph == subgraph)
        alone = Visit(WalkState(visit.state.type, vertices, visit.state.above), visit.path)
        seen: set[WalkState] = set()
        failure = _first_failure(graph, alone, known, seen)
        if not failure:
            known |= seen
            return []
        failures.append((subgraph, failure))
    return failures


def _first_failure(graph: QueryGraph, start: Visit, known: Set[WalkState], seen: set[WalkState]) -> str:
    """Return a description of a selection that can't be resolved from a state; "" if there is none.

    States in `known` are skipped; visited states are added to `seen`.
    """
    waiting = deque([start])
    while waiting and len(seen) < LIMIT:
        visit = waiting.popleft()
        if visit.state in seen or visit.state in known:
            continue
        seen.add(visit.state)
        for following, failed in follow(graph, visit, Report()):
            if failed:
                return explain(graph, visit, failed)
            if following is not None:
                waiting.append(following)
    return ""


def _message(coordinate: str, failures: list[tuple[str, str]]) -> str:
    names = ", ".join(name for name, _ in failures)
    each = "\n  ".join(f"in {name}: {failure}" for name, failure in failures)
    return (
        f"{coordinate} is shared by {names}; a mutation runs in one subgraph, and none of them can resolve"
        f" everything that may be selected on it, even with lookups in other subgraphs:\n  {each}"
    )
