"""What can be asked at an object: its states, and the states that follow from each.

What can be asked depends only on an object's type and on how subgraphs have brought it, and there are
finitely many such states.

Example: `Query.top` of two subgraphs a and b gives the state (Product, {a's Product, b's Product}); from
there `Product.price`, which c alone has, can be asked when a key of c can be had from a or b.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from graphql import GraphQLInterfaceType, GraphQLObjectType

from gateway.compose.diagnostics import Report
from gateway.supergraph.graph import Arrival, Graph, Local, Reach
from gateway.supergraph.model import ContextArgument, SubgraphField, SubgraphType

LIMIT = 100_000  # states, before a walk is given up
Above = tuple[str, str, frozenset[Arrival]]


@dataclass(frozen=True, slots=True)
class State:
    """An object of a type, how subgraphs have brought it, and what sets each context above it.

    (context, type, arrivals).
    """

    type: str
    arrivals: frozenset[Arrival]
    above: frozenset[Above] = frozenset()


@dataclass(frozen=True, slots=True)
class Visit:
    """A state, and the steps of the query that has led to it."""

    state: State
    path: tuple[str, ...]


def follow(graph: Graph, visit: Visit, report: Report) -> Iterator[tuple[Visit | None, str]]:
    """The states after one, and the coordinates that can't be had in it."""
    state = visit.state
    if graph.is_abstract(state.type):
        yield from _narrow(graph, visit)
        return
    reached = graph.reach(state.type, state.arrivals)
    above = _contexts_below(graph, state)
    shown = visible(graph, state.type)
    resolved: dict[str, list[tuple[Arrival, Local]]] = {}
    for arrival in reached:
        view = graph.view(arrival)
        for name in view.fields if view else ():
            if local := graph.local(arrival, name):
                resolved.setdefault(name, []).append((arrival, local))
    for name, reference in graph.supergraph.field_types.get(state.type, {}).items():
        if name not in shown:
            continue
        following: set[Arrival] = set()
        found = False
        for arrival, local in resolved.get(name, ()):
            if local.requires and not _inputs_are_known(graph, state.type, arrival, local, reached):
                continue
            if not all(_context_is_known(graph, one, state.above) for one in local.field.contexts):
                continue
            found = True
            following.add(graph.below(arrival, local))
        target = reference.strip("[]!")
        if graph.is_abstract(target):
            check_runtime_types(graph, f"{state.type}.{name}", following, report)
        if not found:
            yield None, f"{state.type}.{name}"
        elif graph.is_composite(target):
            yield Visit(State(target, frozenset(following), above), (*visit.path, name)), ""


def check_runtime_types(graph: Graph, coordinate: str, arrivals: Collection[Arrival], report: Report) -> None:
    """A shared field of an abstract type must be able to return the same objects, whichever subgraph is
    asked.

    SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES where no object type is common to all; a hint where some are not.
    """
    possible: dict[str, frozenset[str]] = {}
    for arrival in arrivals:
        view = graph.view(arrival)
        if view is not None and view.kind in ("interface", "union"):
            possible[arrival.subgraph] = possible.get(arrival.subgraph, frozenset()) | view.possible
    sets = list(possible.values())
    if len(sets) < 2 or all(one == sets[0] for one in sets):
        return
    shown = "; ".join(
        f"{', '.join(sorted(types)) or 'nothing'} in {name}" for name, types in possible.items()
    )
    message = f"{coordinate} is shared, but may be {shown}"
    if not frozenset.intersection(*sets):
        report.error("SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES", message, coordinate=coordinate)
    else:
        report.hint("INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN", message, coordinate)


def visible(graph: Graph, type_name: str) -> Collection[str]:
    """The fields that clients can ask for."""
    found = graph.supergraph.api.type_map.get(type_name)
    return found.fields if isinstance(found, GraphQLObjectType | GraphQLInterfaceType) else ()


def _inputs_are_known(
    graph: Graph, type_name: str, arrival: Arrival, local: Local, reached: Mapping[Arrival, Reach]
) -> bool:
    """Whether what a @requires asks for can be had, and the subgraph be given it.

    By a key, which root types don't have.
    """
    if graph.obtain(type_name, local.requires, {arrival: Reach(0)}) == 0:
        return True
    enters = any(
        entry.key and entry.arrival.subgraph == arrival.subgraph for entry in graph.entries(type_name)
    )
    return enters and graph.obtain(type_name, local.requires, reached) is not None


def _contexts_below(graph: Graph, state: State) -> frozenset[Above]:
    """The contexts for the fields of an object: its own come before those from further up."""
    own = {name for name in graph.supergraph.contexts if graph.sets_context(state.type, name)}
    if not own:
        return state.above
    kept = {one for one in state.above if one[0] not in own}
    return frozenset(kept | {(name, state.type, state.arrivals) for name in own})


def _context_is_known(graph: Graph, argument: ContextArgument, above: frozenset[Above]) -> bool:
    """Whether something above sets the context, and what is selected on it can be had there."""
    return any(
        name == argument.context
        and graph.obtain(type_name, argument.selection, graph.reach(type_name, arrivals)) is not None
        for name, type_name, arrivals in above
    )


def _narrow(graph: Graph, visit: Visit) -> Iterator[tuple[Visit | None, str]]:
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
            yield (
                Visit(State(member, frozenset(arrivals), state.above), (*visit.path, f"... on {member}")),
                "",
            )


def explain(graph: Graph, visit: Visit, coordinate: str) -> str:
    """The query that comes to a field that can't be had, and why no subgraph with the field helps."""
    type_name, field = coordinate.split(".")
    reference = graph.supergraph.field_types.get(type_name, {}).get(field, "")
    below = " { ... }" if graph.is_composite(reference.strip("[]!")) else ""
    query = f"{field}{below}"
    for step in reversed(visit.path):
        query = f"{step} {{ {query} }}"
    come = ", ".join(sorted({arrival.subgraph for arrival in visit.state.arrivals})) or "the root"
    why = "; ".join(_reasons(graph, type_name, field, come)) or "no subgraph resolves it"
    return f"this query can't be answered: {query}\n    {coordinate} can't be had from {come}: {why}"


def _reasons(graph: Graph, type_name: str, field: str, come: str) -> Iterator[str]:
    """For each subgraph that has the field: why it can't be asked."""
    for name, subgraph in graph.supergraph.subgraphs.items():
        view = subgraph.types.get(type_name)
        found = view.fields.get(field) if view else None
        if view is not None and found is not None:
            yield f"{name} {_reason(graph, view, found, come)}"


def _reason(graph: Graph, view: SubgraphType, found: SubgraphField, come: str) -> str:
    if found.external:
        return "has it only as @external"
    if found.label is not None and (found.label in graph.labels) != found.when_on:
        return f'has it only while the label "{found.label}" is {"on" if found.when_on else "off"}'
    if found.contexts:
        return f"needs the context {found.contexts[0].context}, which nothing above sets"
    if found.requires:
        return f"would need what its @requires asks for, which can't be had from {come}"
    if not any(key.resolvable for key in view.keys):
        return f"has no resolvable @key on {view.name}"
    return f"has keys on {view.name}, but none that {come} can supply"
