"""Removes fragments on union members that not every subgraph defines; otherwise answers depend on the plan.

Subgraphs may define a union with different members. If several subgraphs can return a value of the union, an
object of a member that only some of them define would appear or not depending on the plan. So the fields of
such members are not fetched, and are null. Interfaces have no such rule.

Example: `union Block = Headline | Photo` in the subgraph press, `union Block = Headline | Video` in web, and
both can resolve `page { block }`. Of `page { block { ... on Headline { text } ... on Photo { pixels } } }`
only the fragment on Headline is fetched.
"""

from collections.abc import Iterator
from dataclasses import replace

from gateway.request.operation import Field, Fragment, Operation, Selections
from gateway.supergraph.query_graph import QueryGraph, Vertex

Vertices = tuple[Vertex, ...]


def without_partial_union_members(graph: QueryGraph, operation: Operation) -> Operation:
    """Return the operation without fragments on union members that some resolving subgraph does not
    define.
    """
    if not graph.unions_differ:
        return operation
    return replace(
        operation, selections=_MemberFilter(graph).level(operation.selections, operation.root, (), None)
    )


class _MemberFilter:
    """Filters one operation; tracks the vertices that any plan could reach at each object."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self.possible = graph.supergraph.possible

    def level(
        self, selections: Selections, type_name: str, vertices: Vertices, members: frozenset[str] | None
    ) -> Selections:
        """Return a filtered selection set on a type. `members`: the object types to keep; None for all."""
        out: list[Field | Fragment] = []
        for item in selections:
            if isinstance(item, Field) and self.members_differ(item, type_name, vertices):
                out.extend(self.field_by_type(item, type_name, vertices))
            elif isinstance(item, Field):
                out.append(self.field(item, type_name, vertices))
            else:
                out.extend(self.fragments(item, type_name, vertices, members))
        return tuple(out)

    def field(self, item: Field, type_name: str, vertices: Vertices) -> Field:
        """Return a field with its filtered selection."""
        if not item.selections:
            return item
        below = tuple(dict.fromkeys(self.below(type_name, item.name, vertices)))
        members = self.members(below) if self.graph.supergraph.kinds.get(item.type_name) == "union" else None
        return replace(item, selections=self.level(item.selections, item.type_name, below, members))

    def members(self, vertices: Vertices) -> frozenset[str] | None:
        """Return the union members that the subgraphs of all these vertices define; None if there are no
        vertices.
        """
        return frozenset.intersection(*map(self.graph.possible, vertices)) if vertices else None

    def members_differ(self, item: Field, type_name: str, vertices: Vertices) -> bool:
        """Return whether the common members of a union field on an interface depend on the object's type.

        They can, because other subgraphs may resolve the field for each type.
        """
        is_union = self.graph.supergraph.kinds.get(item.type_name) == "union"
        if not is_union or not self.graph.is_abstract(type_name):
            return False
        found = {
            self.members(tuple(self.below(name, item.name, narrowed)))
            for name in self.possible.get(type_name, ())
            if (narrowed := self.graph.narrowed(vertices, name))
        }
        return len(found - {None}) > 1

    def field_by_type(self, item: Field, type_name: str, vertices: Vertices) -> Iterator[Fragment]:
        """Yield a fragment with the filtered field for each object type of an abstract type."""
        types = self.graph.supergraph.field_types
        for name in sorted(self.possible.get(type_name, ())):
            if narrowed := self.graph.narrowed(vertices, name):
                reference = types.get(name, {}).get(item.name, item.type)
                own = replace(item, parent=name, type=reference)
                yield Fragment(name, (self.field(own, name, narrowed),))

    def below(self, type_name: str, name: str, vertices: Vertices) -> Iterator[Vertex]:
        """Yield the vertices at which a field's value can be returned, by every option that a plan could
        choose.
        """
        reached = self.graph.reach(type_name, vertices)
        for vertex in reached:
            edge = self.graph.field_edge(vertex, name)
            if edge is not None:
                if not edge.requires or self.graph.obtain(type_name, edge.requires, reached) is not None:
                    yield self.graph.below(vertex, edge)
            elif self.graph.is_abstract(type_name):
                for member in sorted(self.graph.possible(vertex)):
                    yield from self.below(member, name, self.graph.narrowed((vertex,), member))

    def fragments(
        self, item: Fragment, type_name: str, vertices: Vertices, members: frozenset[str] | None
    ) -> Iterator[Fragment]:
        """Yield a filtered fragment, or if some of its object types are removed, one for each type that
        remains.
        """
        covered = self.possible.get(item.type, frozenset())
        allowed = covered if members is None else covered & members
        if allowed == covered:
            yield self.fragment(item, item.type, type_name, vertices, members)
            return
        for name in sorted(allowed):
            yield self.fragment(item, name, type_name, vertices, None)

    def fragment(
        self, item: Fragment, name: str, type_name: str, vertices: Vertices, members: frozenset[str] | None
    ) -> Fragment:
        """Return a fragment with the type condition `name` and a filtered selection."""
        narrowed = vertices if name == type_name else self.graph.narrowed(vertices, name)
        return replace(item, type=name, selections=self.level(item.selections, name, narrowed, members))
