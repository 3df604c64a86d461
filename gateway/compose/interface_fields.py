"""Hints about interface fields that no single subgraph can resolve for all objects that it returns.

The planner refuses an operation that selects such a field on the interface: the subgraph that returns the
objects may return one whose field neither it nor a lookup from it can resolve. Fragments on the object types
work, because each object type's field can be resolved by its own subgraph.

Example: a and b share `Query.asset: Asset`, both return Car and Boat, only a resolves Boat.tag, only b
resolves Car.tag, and there is no key: `{ asset { tag } }` has no plan.
"""

from collections.abc import Iterable

from gateway.compose.diagnostics import Report
from gateway.compose.states import WalkState, visible
from gateway.supergraph.query_graph import QueryGraph, Vertex

JUMPS = 1


def hint_interface_fields(graph: QueryGraph, states: Iterable[WalkState], report: Report) -> None:
    """Report a hint for every interface field that no single subgraph resolves for all objects that it
    returns.

    The code is INTERFACE_FIELD_SPLIT_BETWEEN_SUBGRAPHS. `states`: all states that the check of satisfiability
    has visited.
    """
    hinted: set[str] = set()
    for state in states:
        if graph.supergraph.kinds.get(state.type) != "interface":
            continue
        for name in visible(graph, state.type):
            coordinate = f"{state.type}.{name}"
            if coordinate in hinted or any(_answers(graph, state.type, one, name) for one in state.vertices):
                continue
            hinted.add(coordinate)
            report.hint("INTERFACE_FIELD_SPLIT_BETWEEN_SUBGRAPHS", _message(graph, state, name), coordinate)


def _answers(graph: QueryGraph, interface: str, vertex: Vertex, name: str) -> bool:
    """Return whether a field can be resolved for all objects of a vertex, by its subgraph or after one
    lookup.

    That is so if the field can be resolved on the interface, or on every object type that the subgraph
    returns.
    """
    if _is_near(graph, interface, vertex, name):
        return True
    members = graph.possible(vertex)
    if not members and graph.supergraph.possible.get(interface):
        return True  # the subgraph returns no such objects
    narrowed = {member: graph.narrow(vertex, member) for member in members}
    return bool(members) and all(
        one is not None and _is_near(graph, member, one, name) for member, one in narrowed.items()
    )


def _is_near(graph: QueryGraph, type_name: str, vertex: Vertex, name: str) -> bool:
    """Return whether a field can be resolved at a vertex: by its subgraph, or by another after one lookup."""
    if graph.field_edge(vertex, name):
        return True
    reached = graph.reach(type_name, {vertex})
    return any(reach.depth <= JUMPS and graph.field_edge(one, name) for one, reach in reached.items())


def _message(graph: QueryGraph, state: WalkState, name: str) -> str:
    names = ", ".join(sorted({one.subgraph for one in state.vertices}))
    types = ", ".join(sorted({member for one in state.vertices for member in graph.possible(one)}))
    return (
        f"{state.type}.{name}: no subgraph that returns {state.type} ({names}) can resolve it for all objects"
        f" that it returns ({types or 'none'}), neither itself nor by one lookup; operations that select the"
        " field on the interface may be refused; select it in fragments on the object types"
    )
