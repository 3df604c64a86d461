"""The states that the check of satisfiability visits, and the steps between them.

A state is a type and the vertices at which its objects are returned. Together they determine which fields can
be resolved, so there are finitely many states, although there are infinitely many queries.

Example: `Query.top` of two subgraphs a and b gives the state (Product, {Product of a, Product of b}). There
`Product.price`, which only c has, can be resolved if a key of c can be fetched from a or b.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from graphql import GraphQLInterfaceType, GraphQLObjectType

from gateway.compose.diagnostics import Report
from gateway.supergraph.model import ContextArgument, SubgraphField, SubgraphType
from gateway.supergraph.query_graph import FieldEdge, QueryGraph, Reach, Vertex

LIMIT = 100_000  # the number of states to visit, at most
ContextSetter = tuple[str, str, frozenset[Vertex]]


@dataclass(frozen=True, slots=True)
class WalkState:
    """A type, the vertices at which its objects are returned, and the contexts that enclosing objects set.

    `above`: for each context (@context) the tuple (context, type, vertices) of the enclosing object that sets
    it.
    """

    type: str
    vertices: frozenset[Vertex]
    above: frozenset[ContextSetter] = frozenset()


@dataclass(frozen=True, slots=True)
class Visit:
    """A state, and one path from the root that leads to it, such as ("query", "top", "... on Book")."""

    state: WalkState
    path: tuple[str, ...]


def follow(graph: QueryGraph, visit: Visit, report: Report) -> Iterator[tuple[Visit | None, str]]:
    """Yield the states one step below: a state for each field (of an abstract type: for each object type).

    Each item is (visit, ""), or (None, coordinate) for a field that no subgraph can resolve from here. Also
    reports fields whose subgraphs return different object types (`check_runtime_types`).
    """
    state = visit.state
    if graph.is_abstract(state.type):
        yield from _narrow(graph, visit)
        return
    reached = graph.reach(state.type, state.vertices)
    above = _contexts_below(graph, state)
    shown = visible(graph, state.type)
    resolved: dict[str, list[tuple[Vertex, FieldEdge]]] = {}
    for vertex in reached:
        view = graph.view(vertex)
        for name in view.fields if view else ():
            if edge := graph.field_edge(vertex, name):
                resolved.setdefault(name, []).append((vertex, edge))
    for name, reference in graph.supergraph.field_types.get(state.type, {}).items():
        if name not in shown:
            continue
        following: set[Vertex] = set()
        found = False
        for vertex, edge in resolved.get(name, ()):
            if edge.requires and not _inputs_are_known(graph, state.type, vertex, edge, reached):
                continue
            if not all(_context_is_known(graph, one, state.above) for one in edge.field.contexts):
                continue
            found = True
            following.add(graph.below(vertex, edge))
        target = reference.strip("[]!")
        if graph.is_abstract(target):
            check_runtime_types(graph, f"{state.type}.{name}", following, report)
        if not found:
            yield None, f"{state.type}.{name}"
        elif graph.is_composite(target):
            yield Visit(WalkState(target, frozenset(following), above), (*visit.path, name)), ""


def check_runtime_types(
    graph: QueryGraph, coordinate: str, vertices: Collection[Vertex], report: Report
) -> None:
    """Compare the object types that subgraphs may return for a shared field of an abstract type.

    Reports SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES if they have none in common, and a hint if they differ.
    """
    possible: dict[str, frozenset[str]] = {}
    for vertex in vertices:
        view = graph.view(vertex)
        if view is not None and view.kind in ("interface", "union"):
            possible[vertex.subgraph] = possible.get(vertex.subgraph, frozenset()) | view.possible
    sets = list(possible.values())
    if len(sets) < 2 or all(one == sets[0] for one in sets):
        return
    shown = "; ".join(
        f"{', '.join(sorted(types)) or 'nothing'} in {name}" for name, types in possible.items()
    )
    message = f"{coordinate} is shared, but returns different object types: {shown}"
    if not frozenset.intersection(*sets):
        report.error("SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES", message, coordinate=coordinate)
    else:
        report.hint("INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN", message, coordinate)


def visible(graph: QueryGraph, type_name: str) -> Collection[str]:
    """Return the names of the fields that clients can select: those of the type in the API schema."""
    found = graph.supergraph.api.type_map.get(type_name)
    return found.fields if isinstance(found, GraphQLObjectType | GraphQLInterfaceType) else ()


def _inputs_are_known(
    graph: QueryGraph, type_name: str, vertex: Vertex, edge: FieldEdge, reached: Mapping[Vertex, Reach]
) -> bool:
    """Return whether the @requires inputs of a field can be fetched and sent to the field's subgraph.

    They are sent in a representation, so the type needs a key of that subgraph. Root types have no keys:
    there the subgraph must resolve the inputs itself.
    """
    if graph.obtain(type_name, edge.requires, {vertex: Reach(0)}) == 0:
        return True
    enters = any(
        key_edge.key and key_edge.vertex.subgraph == vertex.subgraph
        for key_edge in graph.key_edges(type_name)
    )
    return enters and graph.obtain(type_name, edge.requires, reached) is not None


def _contexts_below(graph: QueryGraph, state: WalkState) -> frozenset[ContextSetter]:
    """Return the contexts that the fields of an object can read.

    The contexts that the object sets replace the same contexts of enclosing objects.
    """
    own = {name for name in graph.supergraph.contexts if graph.sets_context(state.type, name)}
    if not own:
        return state.above
    kept = {one for one in state.above if one[0] not in own}
    return frozenset(kept | {(name, state.type, state.vertices) for name in own})


def _context_is_known(graph: QueryGraph, argument: ContextArgument, above: frozenset[ContextSetter]) -> bool:
    """Return whether an enclosing object sets the context and the argument's selection is
    resolvable there.
    """
    return any(
        name == argument.context
        and graph.obtain(type_name, argument.selection, graph.reach(type_name, vertices)) is not None
        for name, type_name, vertices in above
    )


def _narrow(graph: QueryGraph, visit: Visit) -> Iterator[tuple[Visit | None, str]]:
    state = visit.state
    reached = graph.reach(state.type, state.vertices)
    typed: dict[Vertex, Reach] = {}
    for vertex, reach in reached.items():
        view = graph.view(vertex)
        if view is not None and not view.interface_object:
            typed[vertex] = reach
    if not typed and reached:
        yield None, f"{state.type}.__typename"
        return
    for member in sorted(frozenset().union(*(graph.possible(vertex) for vertex in typed)) if typed else ()):
        vertices = {narrow for vertex in reached if (narrow := graph.narrow(vertex, member))}
        if vertices:
            following = WalkState(member, frozenset(vertices), state.above)
            yield Visit(following, (*visit.path, f"... on {member}")), ""


def explain(graph: QueryGraph, visit: Visit, coordinate: str) -> str:
    """Return the text of an error: an example query, and for each subgraph why it can't resolve the field."""
    type_name, field = coordinate.split(".")
    reference = graph.supergraph.field_types.get(type_name, {}).get(field, "")
    below = " { ... }" if graph.is_composite(reference.strip("[]!")) else ""
    query = f"{field}{below}"
    for step in reversed(visit.path):
        query = f"{step} {{ {query} }}"
    come = ", ".join(sorted({vertex.subgraph for vertex in visit.state.vertices})) or "the root"
    why = "; ".join(_reasons(graph, type_name, field, come)) or "no subgraph resolves it"
    return f"this query can't be resolved: {query}\n    {coordinate} can't be reached from {come}: {why}"


def _reasons(graph: QueryGraph, type_name: str, field: str, come: str) -> Iterator[str]:
    """Yield for each subgraph that defines the field the reason why the field can't be resolved there.

    `come`: the subgraphs that return the objects, as text for the message.
    """
    for name, subgraph in graph.supergraph.subgraphs.items():
        view = subgraph.types.get(type_name)
        found = view.fields.get(field) if view else None
        if view is not None and found is not None:
            yield f"{name} {_reason(graph, view, found, come)}"


def _reason(graph: QueryGraph, view: SubgraphType, found: SubgraphField, come: str) -> str:
    if found.external:
        return "has it only as @external"
    if found.label is not None and (found.label in graph.labels) != found.when_on:
        return f'resolves it only while the label "{found.label}" is {"on" if found.when_on else "off"}'
    if found.contexts:
        return f"needs the context {found.contexts[0].context}, which no enclosing object sets"
    if found.requires:
        return f"needs its @requires fields, which can't be reached from {come}"
    if not any(key.resolvable for key in view.keys):
        return f"has no resolvable @key on {view.name}"
    return f"has keys on {view.name}, but none whose fields can be fetched from {come}"
