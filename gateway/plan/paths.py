"""Lists the options for each field of a selection: which subgraphs can resolve it, after how many rounds.

`choose` compares the options, `place` uses the chosen one. A field on an interface or union is selected on
the abstract type if a subgraph resolves it there. Every other field is selected for each object type
separately; these selections are the parts of a `Split`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.core.errors import PlanError
from gateway.federation.field_set import FieldSet, FieldSetField
from gateway.request.operation import Field, Fragment, FragmentDirectives, Selections
from gateway.supergraph.query_graph import TYPENAME, FieldEdge, QueryGraph, Reach, Vertex

Reached = Mapping[Vertex, Reach]
PartSelections = dict[tuple[str, FragmentDirectives | None], list[Field | Fragment]]


@dataclass(frozen=True, slots=True)
class Option:
    """A way to resolve a field: the vertex that resolves it, and the rounds of fetches that this takes.

    `with_inputs`: the field needs a fetch of its own, because of @requires inputs or context arguments.
    """

    source: Vertex
    edge: FieldEdge
    depth: int
    with_inputs: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """A selection, divided by type.

    `direct`: the fields that are selected on the type itself. `parts`: selections for narrower types or under
    a fragment's directives, as (type, selections, directives). `typed`: whether the run-time type must be
    fetched first, because no start vertex knows it.
    """

    direct: tuple[Field, ...]
    parts: tuple[tuple[str, Selections, FragmentDirectives | None], ...]
    typed: bool


class Paths:
    """Computes options and splits for one operation, and counts the options against the planning limit.

    - `split_fields`: interface fields that no single subgraph could resolve for all types, for the error
      message.
    - `hasty`: the response keys of the fields that were placed by a hasty option (see `plan.nodes.Plan`).
    - `ambiguous`: whether a key that stands for different fields, by type, was placed where a subgraph does
      not know the types.
    - `is_mutation`: whether the operation is a mutation, of which no part may run twice.
    - `context_prefix`: the start of the names of request variables for contexts. None of the client's
      variables (`taken`) starts with it.
    """

    def __init__(self, graph: QueryGraph, limit: int, taken: Iterable[str] = ()) -> None:
        self.graph = graph
        self.limit = limit
        self.context_prefix = "context__"
        while any(name.startswith(self.context_prefix) for name in taken):
            self.context_prefix = f"_{self.context_prefix}"
        self.weighed = 0
        self.split_fields: set[str] = set()
        self.hasty: set[str] = set()
        self.ambiguous = False
        self.is_mutation = False
        self._sets: dict[tuple[str, FieldSet], Selections] = {}

    def weigh(self, count: int = 1) -> None:
        """Count options that planning considers. Raises PlanError PLAN_LIMIT_EXCEEDED above the limit."""
        self.weighed += count
        if self.weighed > self.limit:
            message = (
                f"expected planning to consider at most {self.limit} paths, this operation needs more; "
                "select fewer fields or aliases at once"
            )
            raise PlanError(message, "PLAN_LIMIT_EXCEEDED")

    def options(self, type_name: str, field: Field, reached: Reached) -> list[Option]:
        """Return every way to resolve a field on one of the vertices in `reached`, fewest rounds first."""
        found: list[Option] = []
        for vertex, reach in reached.items():
            edge = self.graph.field_edge(vertex, field.name)
            if edge is None:
                continue
            depth, with_inputs = reach.depth, False
            if edge.requires and self.graph.obtain(type_name, edge.requires, {vertex: Reach(0)}) != 0:
                needed = self.graph.obtain(type_name, edge.requires, reached)
                if needed is None:
                    continue
                depth, with_inputs = max(depth - 1, needed) + 1, True
            if edge.field.contexts:  # a context value is known only after the fetch of an object above
                depth, with_inputs = max(depth, 1), True
            found.append(Option(vertex, edge, depth, with_inputs))
        self.weigh(len(found))
        found.sort(key=lambda option: option.depth)
        return found

    def split(
        self, type_name: str, selections: Selections, vertices: Iterable[Vertex], reached: Reached
    ) -> Split:
        """Divide a selection on an object at `vertices` by type.

        On an object type every field is direct, except those in fragments with directives.
        """
        direct: list[Field] = []
        parts: PartSelections = defaultdict(list)
        possible: frozenset[str] = frozenset().union(*(self.graph.possible(item) for item in vertices))
        abstract = self.graph.is_abstract(type_name)
        for item in selections:
            if isinstance(item, Field):
                if self._is_direct(type_name, item, reached):
                    direct.append(item)
                else:
                    for member in sorted(possible):
                        parts[member, None].append(item)
            elif abstract:
                same = item.type == type_name
                for member in [type_name] if same else self.members(item.type, vertices, possible):
                    parts[member, item.directives].extend(item.selections)
            elif type_name not in self.graph.supergraph.possible.get(item.type, ()):
                continue
            elif item.directives:
                parts[type_name, item.directives].extend(item.selections)
            else:
                inner = self.split(type_name, item.selections, vertices, reached)
                direct.extend(inner.direct)
                for name, selections, directives in inner.parts:
                    parts[name, directives].extend(selections)
        needs_type = bool(parts) or any(item.name == TYPENAME for item in direct)
        typed = abstract and needs_type and all(self._untyped(item) for item in vertices)
        together = tuple((name, tuple(items), where) for (name, where), items in parts.items())
        return Split(tuple(direct), together, typed)

    def asked_by_type(
        self, type_name: str, selections: Selections, reached: Reached
    ) -> Iterator[tuple[Field, frozenset[str]]]:
        """Yield (field, object types) for fields of an abstract type that no subgraph resolves on that type.

        They are selected for each of the object types. Fields in fragments on other abstract types are
        included.
        """
        if not self.graph.is_abstract(type_name):
            return
        for item in selections:
            if isinstance(item, Fragment):
                yield from self.asked_by_type(item.type, item.selections, reached)
            elif not self._is_direct(type_name, item, reached):
                yield item, self.graph.supergraph.possible[type_name]

    def _is_direct(self, type_name: str, item: Field, reached: Reached) -> bool:
        """Return whether requests select a field on the type itself, not on each of its object types.

        `reached`: the vertices that are entered; one of them has to have the field. An interface without
        object types leaves no other choice.
        """
        possible = self.graph.supergraph.possible.get(type_name)
        if not self.graph.is_abstract(type_name) or not possible:
            return True
        return any(self.graph.field_edge(vertex, item.name) for vertex in reached)

    def _untyped(self, vertex: Vertex) -> bool:
        view = self.graph.view(vertex)
        return view is not None and view.interface_object

    def members(self, condition: str, vertices: Iterable[Vertex], possible: frozenset[str]) -> list[str]:
        """Return the types for which a fragment on the type `condition` is selected.

        The result is `condition` alone if every subgraph has the same object types for it, else its object
        types. `possible`: the object types that can occur here.
        """
        members = self.graph.supergraph.possible.get(condition, frozenset()) & possible
        if not members:
            return []
        if not self.graph.is_abstract(condition):
            return [condition]
        for vertex in vertices:
            narrow = self.graph.narrow(vertex, condition)
            here = self.graph.possible(vertex) & members
            if self._untyped(vertex) or (
                here and (narrow is None or self.graph.possible(narrow) & possible != here)
            ):
                return sorted(members)
        return [condition]

    def typed_source(self, reached: Reached) -> Vertex | None:
        """Return the nearest vertex whose subgraph knows the run-time type of the object; None if there is
        none.
        """
        return next((item for item in reached if not self._untyped(item)), None)

    def narrowed(self, vertices: Iterable[Vertex], member: str) -> tuple[Vertex, ...]:
        """Return the `vertices` as they are for objects of the type `member` (`QueryGraph.narrow`)."""
        return self.graph.narrowed(vertices, member)

    def selections_of(self, type_name: str, fields: FieldSet) -> Selections:
        """Return a field set as selections on a type, so that its cost is computed as for a client's
        selection.
        """
        key = (type_name, fields)
        if key not in self._sets:
            self._sets[key] = tuple(self._selection(type_name, item) for item in fields)
        return self._sets[key]

    def _selection(self, type_name: str, item: object) -> Field | Fragment:
        if isinstance(item, FieldSetField):
            reference = self.field_type(type_name, item.name)
            below = self.selections_of(reference.strip("[]!"), item.selections)
            return Field(item.name, item.name, type_name, reference, item.arguments, frozenset(), below)
        condition = getattr(item, "type_condition", None) or type_name
        return Fragment(condition, self.selections_of(condition, getattr(item, "selections", ())))

    def nearest_key(self, type_name: str, source: Vertex, reached: Reached) -> FieldSet:
        """Return the field set of the key by which a subgraph can look up an object after the fewest rounds.

        Raises PlanError PLAN_NOT_FOUND if no key of the subgraph can be fetched.
        """
        key_edges = self.graph.key_edges(type_name)
        plain = Vertex(source.subgraph, source.type)
        keys = [key_edge.key for key_edge in key_edges if key_edge.vertex == plain]
        keys = keys or [key_edge.key for key_edge in key_edges if key_edge.vertex.subgraph == source.subgraph]
        depths = [(self.graph.obtain(type_name, key, reached), index) for index, key in enumerate(keys)]
        known = [(depth, index) for depth, index in depths if depth is not None]
        if not known:
            message = (
                f"expected a resolvable @key of {type_name} in the subgraph {source.subgraph}, to send "
                "@requires or @fromContext inputs to it; found none whose fields can be fetched"
            )
            raise PlanError(message, "PLAN_NOT_FOUND")
        return keys[min(known)[1]]

    def plain(self, type_name: str, name: str, reached: Reached) -> Reached:
        """Return the vertices of `reached` at which a field can be looked up separately (see `is_plain`)."""
        return {one: reach for one, reach in reached.items() if self.is_plain(type_name, one, name)}

    def is_plain(self, type_name: str, source: Vertex, name: str) -> bool:
        """Return whether a field can be looked up by a key alone, without @requires inputs, contexts or
        @provides.
        """
        edge = self.graph.field_edge(source, name)
        needs_inputs = edge is not None and (edge.requires or edge.field.contexts)
        return not needs_inputs and self.has_key(type_name, source, name)

    def has_key(self, type_name: str, source: Vertex, name: str) -> bool:
        """Return whether a field can be looked up by a key, without @provides; it may need inputs."""
        plain = Vertex(source.subgraph, source.type)
        here, alone = self.graph.field_edge(source, name), self.graph.field_edge(plain, name)
        if here is None or alone is None:
            return False
        enters = any(key_edge.key for key_edge in self.graph.key_edges(type_name) if key_edge.vertex == plain)
        return enters and here.provided == alone.provided

    def can_null_each_other(self, type_name: str, one: Selections, other: Selections) -> bool:
        """Return whether two selections on one value can make each other's fields null.

        They can when a non-null field is in only one of them: its failure makes the shared object null.
        """
        mine, theirs = self._by_field(type_name, one), self._by_field(type_name, other)
        for (parent, name, arguments), below in (mine | theirs).items():
            key = (parent, name, arguments)
            if key not in mine or key not in theirs:
                if self.graph.failure_nulls_parent(parent, name):
                    return True
            elif below and self.can_null_each_other(
                self.field_type(parent, name).strip("[]!"), mine[key], theirs[key]
            ):
                return True
        return False

    def _by_field(
        self, type_name: str, selections: Selections
    ) -> dict[tuple[str, str, tuple[tuple[str, str], ...]], Selections]:
        """Return the selections below each field, fragments included, by (type, name, arguments)."""
        found: dict[tuple[str, str, tuple[tuple[str, str], ...]], Selections] = {}
        for item in selections:
            if isinstance(item, Fragment):
                inner = self._by_field(item.type, item.selections)
            else:
                inner = {(type_name, item.name, item.arguments): item.selections}
            for key, below in inner.items():
                found[key] = (*found.get(key, ()), *below)
        return found

    def field_type(self, type_name: str, name: str) -> str:
        """Return a field's type reference in the supergraph.

        Raises PlanError PLAN_NOT_FOUND for an unknown field.
        """
        if name == TYPENAME:
            return "String!"
        types = self.graph.supergraph.field_types.get(type_name, {})
        if name not in types:
            raise PlanError(f"the supergraph has no field {type_name}.{name}", "PLAN_NOT_FOUND")
        return types[name]
