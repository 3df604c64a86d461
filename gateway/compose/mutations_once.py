"""A mutation runs once: a root mutation field that several subgraphs share is sent to one of them, and that
one, with the entity lookups that are possible from there, must be able to answer every selection on it.

Example: a and b share `Mutation.make: Made`, a has `Made.left` and b has `Made.right`. As a query
`{ make { left right } }` could ask both; as a mutation it would run twice, so composition refuses it, unless
Made has a key by which the other field can be looked up.
"""

from collections import deque
from collections.abc import Set

from gateway.compose.diagnostics import Report
from gateway.compose.states import LIMIT, Visit, WalkState, explain, follow
from gateway.supergraph.query_graph import QueryGraph


def check_mutations(graph: QueryGraph, sound: Set[WalkState], reported: set[str], report: Report) -> None:
    """Report SATISFIABILITY_ERROR for each root mutation field that no single subgraph can complete.

    `sound` are states from which everything is known to be answered; `reported` the coordinates of errors so
    far, which are not reported again.
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
    """For each subgraph that shares a field, the subgraph and what it can't complete; empty when one of them
    can complete everything. States that are found to be sound join the known ones.
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
    """What can't be answered from a state, in words; empty when everything can. `seen` gets the states on the
    way.
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
        f"{coordinate} is shared by {names}; a mutation runs in one subgraph only, and none of them can"
        f" answer everything that may be selected on it, not even with lookups by key in others:\n  {each}"
    )
