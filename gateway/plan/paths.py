"""The ways to answer a selection at one object: split an abstract one, list the options of each field.

An abstract selection is answered as a whole where a subgraph knows the interface and resolves the field for
every implementation; what is left is asked per type ("parts").
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
    """One way to a field: from which vertex, after how many rounds, and whether a fetch of its own must
    carry inputs to it.
    """

    source: Vertex
    edge: FieldEdge
    depth: int
    with_inputs: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """A selection on an abstract type.

    What is asked on the type itself, and what is asked per narrower type.
    """

    direct: tuple[Field, ...]
    parts: tuple[tuple[str, Selections, FragmentDirectives | None], ...]
    typed: bool


class Paths:
    """Options and splits over one supergraph, counting what is weighed against a limit.

    `split_fields` are the fields of interfaces that no single subgraph could answer, for the error's text;
    `hasty` the keys of fields that were placed on a hasty way.
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
        self.frugal = False
        self._sets: dict[tuple[str, FieldSet], Selections] = {}

    def weigh(self, count: int = 1) -> None:
        """Count choices; PlanError PLAN_LIMIT_EXCEEDED when they become too many."""
        self.weighed += count
        if self.weighed > self.limit:
            message = f"planning this operation would weigh more than {self.limit} paths"
            raise PlanError(message, "PLAN_LIMIT_EXCEEDED")

    def options(self, type_name: str, field: Field, reached: Reached) -> list[Option]:
        """Every way to resolve a field at an object with these vertices, nearest first."""
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
            if edge.field.contexts:  # their values are known only when what is above has come
                depth, with_inputs = max(depth, 1), True
            found.append(Option(vertex, edge, depth, with_inputs))
        self.weigh(len(found))
        found.sort(key=lambda option: option.depth)
        return found

    def split(
        self, type_name: str, selections: Selections, vertices: Iterable[Vertex], reached: Reached
    ) -> Split:
        """Divide a selection; on an object type everything is direct but fragments with directives."""
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
        """The fields that are asked on an abstract type and answered for each of its object types by itself.

        With those object types; fields in fragments on other abstract types included.
        """
        if not self.graph.is_abstract(type_name):
            return
        for item in selections:
            if isinstance(item, Fragment):
                yield from self.asked_by_type(item.type, item.selections, reached)
            elif not self._is_direct(type_name, item, reached):
                yield item, self.graph.supergraph.possible[type_name]

    def _is_direct(self, type_name: str, item: Field, reached: Reached) -> bool:
        """Whether a field is asked on the type itself.

        So is one of an interface that no object type implements: there is no other place for it.
        """
        possible = self.graph.supergraph.possible.get(type_name)
        if not self.graph.is_abstract(type_name) or not possible:
            return True
        return any(self.graph.field_edge(vertex, item.name) for vertex in reached)

    def _untyped(self, vertex: Vertex) -> bool:
        view = self.graph.view(vertex)
        return view is not None and view.interface_object

    def members(self, condition: str, vertices: Iterable[Vertex], possible: frozenset[str]) -> list[str]:
        """The types that a fragment is asked for.

        Itself where every subgraph agrees on what it covers, else its object types.
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
        """The nearest vertex whose subgraph knows the run-time type of an object."""
        return next((item for item in reached if not self._untyped(item)), None)

    def narrowed(self, vertices: Iterable[Vertex], member: str) -> tuple[Vertex, ...]:
        """The vertices for objects of a narrower type."""
        return self.graph.narrowed(vertices, member)

    def selections_of(self, type_name: str, fields: FieldSet) -> Selections:
        """A field set as selections on a type, so that its cost can be weighed like a client's."""
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
        """The key that is known first of those by which a subgraph looks up an object.

        Raises PlanError PLAN_NOT_FOUND where none can be known.
        """
        key_edges = self.graph.key_edges(type_name)
        plain = Vertex(source.subgraph, source.type)
        keys = [key_edge.key for key_edge in key_edges if key_edge.vertex == plain]
        keys = keys or [key_edge.key for key_edge in key_edges if key_edge.vertex.subgraph == source.subgraph]
        depths = [(self.graph.obtain(type_name, key, reached), index) for index, key in enumerate(keys)]
        known = [(depth, index) for depth, index in depths if depth is not None]
        if not known:
            message = f"{source.subgraph} can't be given inputs for {type_name}: it has no key"
            raise PlanError(message, "PLAN_NOT_FOUND")
        return keys[min(known)[1]]

    def plain(self, type_name: str, name: str, reached: Reached) -> Reached:
        """The vertices where a field can be looked up by itself."""
        return {one: reach for one, reach in reached.items() if self.is_plain(type_name, one, name)}

    def is_plain(self, type_name: str, source: Vertex, name: str) -> bool:
        """Whether a field can be looked up by itself at an vertex: by a key, without inputs or @provides."""
        plain = Vertex(source.subgraph, source.type)
        here, alone = self.graph.field_edge(source, name), self.graph.field_edge(plain, name)
        if here is None or alone is None or alone.requires or alone.field.contexts:
            return False
        enters = any(key_edge.key for key_edge in self.graph.key_edges(type_name) if key_edge.vertex == plain)
        return enters and here.provided == alone.provided

    def endanger(self, type_name: str, one: Selections, other: Selections) -> bool:
        """Whether two selections of one value can make each other's fields null.

        So does a field that is in one of them alone, and makes its object null when it fails.
        """
        mine, theirs = self._by_field(type_name, one), self._by_field(type_name, other)
        for (parent, name, arguments), below in (mine | theirs).items():
            key = (parent, name, arguments)
            if key not in mine or key not in theirs:
                if self.graph.takes_along(parent, name):
                    return True
            elif below and self.endanger(self.field_type(parent, name).strip("[]!"), mine[key], theirs[key]):
                return True
        return False

    def _by_field(
        self, type_name: str, selections: Selections
    ) -> dict[tuple[str, str, tuple[tuple[str, str], ...]], Selections]:
        """What is selected below each field, fragments included, by type, name and arguments."""
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
        """A field's type reference in the supergraph."""
        if name == TYPENAME:
            return "String!"
        types = self.graph.supergraph.field_types.get(type_name, {})
        if name not in types:
            raise PlanError(f"the supergraph has no field {type_name}.{name}", "PLAN_NOT_FOUND")
        return types[name]
