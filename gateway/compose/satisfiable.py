"""Satisfiability: every query that the supergraph's schema allows can be answered through the subgraphs.

Checking every query is endless. What can be asked at an object depends only on its type and on how subgraphs have brought it, and
there are finitely many such states: they are walked from the roots, each once, with the query that first led there.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.compose.diagnostics import Report
from gateway.supergraph.graph import Arrival, Graph, Reach
from gateway.supergraph.model import Supergraph

LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class _State:
    type: str
    arrivals: frozenset[Arrival]


@dataclass(frozen=True, slots=True)
class _Visit:
    state: _State
    path: tuple[str, ...]


def check_satisfiable(supergraph: Supergraph, report: Report) -> None:
    """Report SATISFIABILITY_ERROR, with an example query, for every field of a state that no way leads to."""
    graph = Graph(supergraph)
    waiting: deque[_Visit] = deque()
    seen: set[_State] = set()
    reported: set[str] = set()
    for kind, name in supergraph.roots.items():
        waiting.append(_Visit(_State(name, frozenset()), (kind,)))
    while waiting and len(seen) < LIMIT:
        visit = waiting.popleft()
        if visit.state in seen:
            continue
        seen.add(visit.state)
        for following, failed in _follow(graph, visit):
            if failed:
                if failed not in reported:
                    reported.add(failed)
                    _report(graph, visit, failed, report)
            elif following is not None:
                waiting.append(following)
    if waiting and len(seen) >= LIMIT:
        report.hint(
            f"satisfiability was checked for the first {LIMIT:,} ways to arrive at a type only", waiting[0].state.type
        )


def _follow(graph: Graph, visit: _Visit) -> Iterator[tuple[_Visit | None, str]]:
    """The states after one, and the coordinates that can't be had in it."""
    state = visit.state
    if graph.is_abstract(state.type):
        yield from _narrow(graph, visit)
        return
    reached = graph.reach(state.type, state.arrivals)
    for name, reference in graph.supergraph.field_types.get(state.type, {}).items():
        following: set[Arrival] = set()
        found = False
        for arrival in reached:
            local = graph.local(arrival, name)
            if local is None:
                continue
            if local.requires and graph.obtain(state.type, local.requires, reached) is None:
                continue
            found = True
            following.add(graph.below(arrival, local))
        target = reference.strip("[]!")
        if not found:
            yield None, f"{state.type}.{name}"
        elif graph.is_composite(target):
            yield _Visit(_State(target, frozenset(following)), (*visit.path, name)), ""


def _narrow(graph: Graph, visit: _Visit) -> Iterator[tuple[_Visit | None, str]]:
    state = visit.state
    reached = graph.reach(state.type, state.arrivals)
    typed: dict[Arrival, Reach] = {}
    for arrival, reach in reached.items():
        view = graph.view(arrival)
        if view is not None and not view.interface_object:
            typed[arrival] = reach
    if not typed and reached:
        yield None, f"{state.type}.__typename"
        return
    for member in sorted(frozenset().union(*(graph.possible(arrival) for arrival in typed)) if typed else ()):
        arrivals = {narrow for arrival in reached if (narrow := graph.narrow(arrival, member))}
        if arrivals:
            yield _Visit(_State(member, frozenset(arrivals)), (*visit.path, f"... on {member}")), ""


def _report(graph: Graph, visit: _Visit, coordinate: str, report: Report) -> None:
    """One error: the query, and why each subgraph that has the field does not help."""
    type_name, field = coordinate.split(".")
    reference = graph.supergraph.field_types.get(type_name, {}).get(field, "")
    below = " { ... }" if graph.is_composite(reference.strip("[]!")) else ""
    query = f"{field}{below}"
    for step in reversed(visit.path):
        query = f"{step} {{ {query} }}"
    come = ", ".join(sorted({arrival.subgraph for arrival in visit.state.arrivals})) or "the root"
    reasons = []
    for name, subgraph in graph.supergraph.subgraphs.items():
        view = subgraph.types.get(type_name)
        found = view.fields.get(field) if view else None
        if view is None or found is None:
            continue
        if found.external:
            reasons.append(f"{name} has it only as @external")
        elif found.requires:
            reasons.append(f"{name} would need what its @requires asks for, which can't be had from {come}")
        elif not any(key.resolvable for key in view.keys):
            reasons.append(f"{name} has no resolvable @key on {type_name}")
        else:
            reasons.append(f"{name} has keys on {type_name}, but none that {come} can supply")
    why = "; ".join(reasons) or "no subgraph resolves it"
    message = f"this query can't be answered: {query}\n    {coordinate} can't be had from {come}: {why}"
    report.error("SATISFIABILITY_ERROR", message, coordinate=coordinate)
