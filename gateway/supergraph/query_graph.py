"""The query graph of a supergraph: which fields each subgraph can resolve, and by which lookups it is
entered.

A vertex is an object as one subgraph returns it: the subgraph, its type for the object, and the fields that a
@provides adds. A field edge leads to the value of a field that the subgraph resolves; a key edge leads to the
same object in another subgraph, by an entity lookup. `reach` finds every vertex of an object that key edges
lead to, in rounds, since a key may need fields that another lookup returns. All results depend on the
supergraph alone and are cached.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from gateway.federation.field_set import FieldSet, FieldSetField, FieldSetFragment, top_fields
from gateway.federation.provided import intersection, provided_below
from gateway.supergraph.model import SubgraphField, SubgraphType, Supergraph

TYPENAME = "__typename"
_CACHE_SIZE = 50_000


@dataclass(frozen=True, slots=True)
class Vertex:
    """An object as one subgraph returns it.

    `type`: the subgraph's type. `provided`: the field set that a @provides adds. `mixed`: whether the
    subgraph knows the objects only as an interface object, and they may have other types than the one under
    consideration.
    """

    subgraph: str
    type: str
    provided: FieldSet = ()
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class FieldEdge:
    """A field that the subgraph of a vertex resolves. `provided`: the field set that @provides adds on its
    value.

    `hasty`: using it also fetches the field for objects of other types, which its failure would make null.
    """

    field: SubgraphField
    provided: FieldSet = ()
    hasty: bool = False

    @property
    def requires(self) -> FieldSet:
        """Return the field set that the subgraph needs before it can resolve the field."""
        return self.field.requires


@dataclass(frozen=True, slots=True)
class KeyEdge:
    """A way to look up an object in a subgraph: the vertex it leads to, and the key.

    The key of a root type is ().
    """

    vertex: Vertex
    key: FieldSet


@dataclass(frozen=True, slots=True)
class Reach:
    """How the planner can get from the start vertices to another vertex.

    `depth`: the number of rounds of fetches that must follow each other. `key_edge`: the last key edge; None
    if no lookup is needed.
    """

    depth: int
    key_edge: KeyEdge | None = None


def _is_in_key(view: SubgraphType, name: str) -> bool:
    return any(name == one.name for key in view.keys for one in top_fields(key.fields))


class QueryGraph:
    """The query graph, with its caches.

    `labels`: the active labels of progressive @overrides. `careful`: the graph has no hasty field edges (see
    `FieldEdge`). `by_type`: a subgraph with an interface object is entered only when the objects' type is
    known, so no field is resolved for objects on which it is not selected.
    """

    def __init__(
        self,
        supergraph: Supergraph,
        labels: frozenset[str] = frozenset(),
        careful: bool = False,
        by_type: bool = False,
    ) -> None:
        self.supergraph = supergraph
        self.labels = labels
        self.is_careful = careful or by_type
        self.is_by_type = by_type
        self.interfaces_of: dict[str, tuple[str, ...]] = {}
        for abstract, members in supergraph.possible.items():
            if supergraph.kinds.get(abstract) == "interface":
                for member in members:
                    self.interfaces_of[member] = (*self.interfaces_of.get(member, ()), abstract)
        self._key_edges: dict[str, tuple[KeyEdge, ...]] = {}
        self._reach: dict[tuple[str, frozenset[Vertex]], Mapping[Vertex, Reach]] = {}
        self._field_edges: dict[tuple[Vertex, str], FieldEdge | None] = {}
        self._obtained: dict[tuple[str, FieldSet, frozenset[tuple[Vertex, Reach]]], int | None] = {}
        self._open: set[tuple[object, ...]] = set()
        self._finding: set[tuple[str, frozenset[Vertex]]] = set()
        self._cuts = 0

    def view(self, vertex: Vertex) -> SubgraphType | None:
        """Return the subgraph's definition of the vertex's type; None if it has none."""
        return self.supergraph.subgraphs[vertex.subgraph].types.get(vertex.type)

    def possible(self, vertex: Vertex) -> frozenset[str]:
        """Return the object types that the subgraph may return at this vertex."""
        view = self.view(vertex)
        return view.possible if view else frozenset()

    def is_abstract(self, type_name: str) -> bool:
        """Return whether a type of the supergraph is an interface or union."""
        return self.supergraph.kinds.get(type_name) in ("interface", "union")

    def is_composite(self, type_name: str) -> bool:
        """Return whether a type of the supergraph is an object, interface or union."""
        return self.supergraph.kinds.get(type_name) in ("object", "interface", "union")

    def field_edge(self, vertex: Vertex, name: str) -> FieldEdge | None:
        """Return the edge of a field that the vertex's subgraph resolves; None if it does not.

        On an interface, it must resolve the field for every implementing type without inputs.
        """
        key = (vertex, name)
        if key not in self._field_edges:
            if len(self._field_edges) > _CACHE_SIZE:
                self._field_edges.clear()
            self._field_edges[key] = self._find_field_edge(vertex, name)
        return self._field_edges[key]

    def _find_field_edge(self, vertex: Vertex, name: str) -> FieldEdge | None:
        view = self.view(vertex)
        if view is None:
            return None
        if name == TYPENAME:
            return None if view.interface_object else FieldEdge(SubgraphField(TYPENAME, "String!"))
        found = view.fields.get(name)
        if found is None or (found.label is not None and (found.label in self.labels) != found.when_on):
            return None
        names = frozenset({view.name, *view.interfaces, *self.interfaces_of.get(view.name, ())})
        hit, below = provided_below(vertex.provided, names, name)
        if found.external and not hit:
            return None
        hasty = vertex.mixed and self._failure_nulls_parent(view, found)
        if hasty and self.is_careful:
            return None
        if view.kind == "interface":
            everywhere: FieldSet | None = None
            for member in sorted(view.possible):
                inner = self.field_edge(Vertex(vertex.subgraph, member, vertex.provided), name)
                if inner is None or inner.requires or inner.field.contexts:
                    return None
                everywhere = (
                    inner.provided if everywhere is None else intersection(everywhere, inner.provided)
                )
            below = (*below, *(everywhere or ()))
        return FieldEdge(found, (*found.provides, *below), hasty)

    @cached_property
    def careful(self) -> "QueryGraph":
        """Return the query graph of the same supergraph without hasty field edges."""
        return self if self.is_careful else QueryGraph(self.supergraph, self.labels, careful=True)

    @cached_property
    def by_type(self) -> "QueryGraph":
        """Return the query graph of the same supergraph in which fields are resolved by type only."""
        return self if self.is_by_type else QueryGraph(self.supergraph, self.labels, by_type=True)

    def failure_nulls_parent(self, type_name: str, name: str) -> bool:
        """Return whether a failure of the field makes its object null in some subgraph."""
        views = [
            view
            for one in (type_name, *self.supergraph.possible.get(type_name, ()))
            for subgraph in self.supergraph.subgraphs.values()
            if (view := subgraph.types.get(one)) and name in view.fields
        ]
        return any(view.fields[name].type.endswith("!") and not _is_in_key(view, name) for view in views)

    @staticmethod
    def _failure_nulls_parent(view: SubgraphType, found: SubgraphField) -> bool:
        """Return whether the field's failure nulls an object that could be looked up without the field.

        Key fields do not count: they are fetched for all objects anyway.
        """
        if not found.type.endswith("!") or not any(key.resolvable for key in view.keys):
            return False
        return not _is_in_key(view, found.name)

    def sets_context(self, type_name: str, context: str) -> bool:
        """Return whether objects of this type set a context, by their type or one of its interfaces or
        unions.
        """
        setters = self.supergraph.contexts.get(context, frozenset())
        possible = self.supergraph.possible
        return any(one == type_name or type_name in possible.get(one, ()) for one in setters)

    def below(self, vertex: Vertex, edge: FieldEdge) -> Vertex:
        """Return the vertex at a composite field's value."""
        return Vertex(vertex.subgraph, edge.field.type_name, edge.provided)

    def key_edges(self, type_name: str) -> tuple[KeyEdge, ...]:
        """Return every way to look up an object of this type, in all subgraphs."""
        if type_name not in self._key_edges:
            found: list[KeyEdge] = []
            roots = self.supergraph.roots.values()
            for subgraph in self.supergraph.subgraphs.values():
                for name in (type_name, *self.interfaces_of.get(type_name, ())):
                    view = subgraph.types.get(name)
                    if view is None or (name != type_name and not view.interface_object):
                        continue
                    if name in roots:
                        found.append(KeyEdge(Vertex(subgraph.name, name), ()))
                    found.extend(
                        KeyEdge(Vertex(subgraph.name, name), key.fields)
                        for key in view.keys
                        if key.resolvable
                    )
            self._key_edges[type_name] = tuple(found)
        return self._key_edges[type_name]

    def reach(self, type_name: str, have: Iterable[Vertex]) -> Mapping[Vertex, Reach]:
        """Return every vertex that can be reached from the vertices `have` of one object, and how."""
        start = frozenset(have)
        key = (type_name, start)
        found = self._reach.get(key)
        if found is None:
            if len(self._reach) > _CACHE_SIZE:
                self._reach.clear()
            if key in self._finding:  # a cycle: a nested key needs its own object's lookup
                self._cuts += 1
                return {vertex: Reach(0) for vertex in start}
            self._finding.add(key)
            cuts = self._cuts
            found = self._find_reach(type_name, start)
            self._finding.discard(key)
            if cuts == self._cuts or not self._finding:
                self._reach[key] = found
        return found

    def _find_reach(self, type_name: str, have: frozenset[Vertex]) -> Mapping[Vertex, Reach]:
        reached = {vertex: Reach(0) for vertex in sorted(have, key=lambda item: (item.subgraph, item.type))}
        edges = self.key_edges(type_name)
        while True:
            found: dict[Vertex, Reach] = {}
            for edge in edges:
                if edge.vertex in reached:
                    continue
                depth = self.obtain(type_name, edge.key, reached)
                if depth is not None and (edge.vertex not in found or found[edge.vertex].depth > depth + 1):
                    found[edge.vertex] = Reach(depth + 1, edge)
            if not found:
                return reached
            nearest = min(item.depth for item in found.values())
            reached.update({vertex: item for vertex, item in found.items() if item.depth == nearest})

    def obtain(self, type_name: str, fields: FieldSet, have: Mapping[Vertex, Reach]) -> int | None:
        """Return the rounds of fetches until all fields of a field set are known; None if some never are.

        `have`: the vertices of the object that can be reached. A field with @requires takes one more round
        than its inputs. A requirement that leads back to itself is cut, and can't be met on that path;
        results that depend on a cut are not cached, because another path might not be cut.
        """
        key = (type_name, fields, frozenset(have.items()))
        if key in self._obtained:
            return self._obtained[key]
        cuts = self._cuts
        depths = [self._obtain_item(type_name, item, have) for item in fields]
        known = [depth for depth in depths if depth is not None]
        found = max(known, default=0) if len(known) == len(depths) else None
        if cuts == self._cuts:
            if len(self._obtained) > _CACHE_SIZE:
                self._obtained.clear()
            self._obtained[key] = found
        return found

    def _obtain_item(
        self, type_name: str, item: FieldSetField | FieldSetFragment, have: Mapping[Vertex, Reach]
    ) -> int | None:
        if isinstance(item, FieldSetField):
            return self._obtain_field(type_name, item, have)
        condition = item.type_condition or type_name
        narrowed: dict[Vertex, Reach] = {}
        for vertex, reach in have.items():
            if narrow := self.narrow(vertex, condition):
                narrowed[narrow] = reach
        if not narrowed:
            return 0
        if condition == type_name:
            return self.obtain(condition, item.selections, narrowed)
        return self._obtain_below(condition, item.selections, narrowed)

    def _obtain_field(self, type_name: str, item: FieldSetField, have: Mapping[Vertex, Reach]) -> int | None:
        best: int | None = None
        children: dict[Vertex, Reach] = {}
        for vertex, reach in have.items():
            edge = self.field_edge(vertex, item.name)
            depth = reach.depth if edge else None
            if edge and edge.requires:
                depth = self._with_inputs(type_name, vertex, edge, have)
            if edge is None or depth is None:
                continue
            if item.selections:
                children[self.below(vertex, edge)] = Reach(depth)
            else:
                best = depth if best is None else min(best, depth)
        if not item.selections or not children:
            return best
        child = self.supergraph.field_types.get(type_name, {}).get(item.name, "").strip("[]!")
        child = child or next(iter(children)).type
        depths = [self._obtain_below(child, item.selections, {a: r}) for a, r in children.items()]
        known = [depth for depth in depths if depth is not None]
        return min(known) if known else self._obtain_below(child, item.selections, children)

    def _with_inputs(
        self, type_name: str, vertex: Vertex, edge: FieldEdge, have: Mapping[Vertex, Reach]
    ) -> int | None:
        """Return the rounds until a field with @requires is known; None if its inputs never are."""
        mark = (type_name, vertex, edge.field.name)
        if mark in self._open:
            self._cuts += 1
            return None
        self._open.add(mark)
        needed = self.obtain(type_name, edge.requires, have)
        self._open.discard(mark)
        return None if needed is None else max(have[vertex].depth, needed) + 1

    def _obtain_below(self, child: str, fields: FieldSet, have: Mapping[Vertex, Reach]) -> int | None:
        near = self.obtain(child, fields, have)
        if near is not None:
            return near
        mark = (child, fields, frozenset(have))
        if mark in self._open:
            self._cuts += 1
            return None
        self._open.add(mark)
        far = self.obtain(child, fields, self.reach(child, have))
        self._open.discard(mark)
        return None if far is None else max(item.depth for item in have.values()) + far

    @cached_property
    def unions_differ(self) -> bool:
        """Return whether subgraphs define some union with different members."""
        views: dict[str, set[frozenset[str]]] = {}
        for subgraph in self.supergraph.subgraphs.values():
            for name, view in subgraph.types.items():
                if view.kind == "union":
                    views.setdefault(name, set()).add(view.possible)
        return any(len(different) > 1 for different in views.values())

    def narrowed(self, vertices: Iterable[Vertex], condition: str) -> tuple[Vertex, ...]:
        """Return the vertices for objects of the narrower type `condition`."""
        found = (self.narrow(item, condition) for item in vertices)
        return tuple(dict.fromkeys(item for item in found if item is not None))

    def narrow(self, vertex: Vertex, condition: str) -> Vertex | None:
        """Return the vertex for objects of a narrower type; None if the subgraph never returns one there."""
        view = self.view(vertex)
        if view is None:
            return None
        if view.name == condition:
            return vertex
        if view.interface_object:
            return self._narrow_interface_object(vertex, view, condition)
        types = self.supergraph.subgraphs[vertex.subgraph].types
        known = types.get(condition)
        wanted = known.possible if known else self.supergraph.possible.get(condition, frozenset())
        if not view.possible & wanted:
            return None
        if view.kind == "object":
            return vertex
        return replace(vertex, type=condition) if known else None

    def _narrow_interface_object(self, vertex: Vertex, view: SubgraphType, condition: str) -> Vertex | None:
        """Return an interface object's vertex for objects of a type that its subgraph does not define."""
        if view.possible <= self.supergraph.possible.get(condition, frozenset({condition})):
            return vertex
        return None if self.is_by_type else replace(vertex, mixed=True)
