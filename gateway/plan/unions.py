"""The members of a union that not every subgraph knows: they are not asked for where that could make a
difference.

Subgraphs may give a union different members. Where a value of the union could come from several subgraphs, an
object of a member that one of them does not know would be there or not there by the choice of the plan. So
the answer must not depend on that choice: such a member's fields are not asked for, and are null. Interfaces
have no such rule.

Example: `union Block = Headline | Photo` in the subgraph press, `union Block = Headline | Video` in web, and
both can resolve `page { block }`. Of `page { block { ... on Headline { text } ... on Photo { pixels } } }`
only the fragment on Headline is asked for.
"""

from collections.abc import Iterator
from dataclasses import replace

from gateway.request.operation import Field, Fragment, Operation, Selections
from gateway.supergraph.graph import Arrival, Graph

Arrivals = tuple[Arrival, ...]


def without_unsure_members(graph: Graph, operation: Operation) -> Operation:
    """The operation without the fragments on members that not every subgraph on the way knows."""
    if not graph.unions_differ:
        return operation
    return replace(
        operation, selections=_Reading(graph).level(operation.selections, operation.root, (), None)
    )


class _Reading:
    """One walk over an operation, with the arrivals by which each object could be had, by whatever plan."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.possible = graph.supergraph.possible

    def level(
        self, selections: Selections, type_name: str, arrivals: Arrivals, members: frozenset[str] | None
    ) -> Selections:
        """A selection on a type; `members` are the object types that may be asked for (None: any)."""
        out: list[Field | Fragment] = []
        for item in selections:
            if isinstance(item, Field):
                out.append(self.field(item, type_name, arrivals))
            else:
                out.extend(self.fragments(item, type_name, arrivals, members))
        return tuple(out)

    def field(self, item: Field, type_name: str, arrivals: Arrivals) -> Field:
        """A field, with what may be asked for below."""
        if not item.selections:
            return item
        below = tuple(dict.fromkeys(self.below(type_name, item.name, arrivals)))
        members = None
        if self.graph.supergraph.kinds.get(item.type_name) == "union" and below:
            members = frozenset.intersection(*map(self.graph.possible, below))
        return replace(item, selections=self.level(item.selections, item.type_name, below, members))

    def below(self, type_name: str, name: str, arrivals: Arrivals) -> Iterator[Arrival]:
        """The arrivals at a field's value: every way that a plan might take."""
        reached = self.graph.reach(type_name, arrivals)
        for arrival in reached:
            local = self.graph.local(arrival, name)
            if local is not None:
                if not local.requires or self.graph.obtain(type_name, local.requires, reached) is not None:
                    yield self.graph.below(arrival, local)
            elif self.graph.is_abstract(type_name):
                for member in sorted(self.graph.possible(arrival)):
                    yield from self.below(member, name, self.graph.narrowed((arrival,), member))

    def fragments(
        self, item: Fragment, type_name: str, arrivals: Arrivals, members: frozenset[str] | None
    ) -> Iterator[Fragment]:
        """A fragment, or one for each of its types that may be asked for."""
        covered = self.possible.get(item.type, frozenset())
        allowed = covered if members is None else covered & members
        if allowed == covered:
            yield self.fragment(item, item.type, type_name, arrivals, members)
            return
        for name in sorted(allowed):
            yield self.fragment(item, name, type_name, arrivals, None)

    def fragment(
        self, item: Fragment, name: str, type_name: str, arrivals: Arrivals, members: frozenset[str] | None
    ) -> Fragment:
        """A fragment on a type."""
        narrowed = arrivals if name == type_name else self.graph.narrowed(arrivals, name)
        return replace(item, type=name, selections=self.level(item.selections, name, narrowed, members))
