"""A GraphQL request as a tree of weighted fields, from which estimated and actual costs are computed.

Example: for `type Query { books(first: Int): [Book] @listSize(slicingArguments: ["first"]) }`, the request
`{ books(first: 3) { author { name } } }` is the field `books` with the type weight 1 and the child `author`.
Estimated: 3 × (1 for the book + 1 for its author) = 6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from graphql import GraphQLInputType, parse
from graphql.language import (
    FieldNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
)

from gateway.cost.weights import NO_LIST_SIZE, FieldWeights, Weights
from gateway.supergraph.metadata import ListSize
from gateway.supergraph.model import Supergraph

TYPENAME = "__typename"
ENTITIES = "_entities"


@dataclass(frozen=True, slots=True)
class CostArgument:
    """An argument: its name, its value as text of the request, its type (None if unknown)."""

    name: str
    value: ValueNode
    type: GraphQLInputType | None


@dataclass(frozen=True, slots=True)
class CostField:
    """A field of a request with its weights.

    - `key`: its key in the reply. `coordinate`: `Type.field`, for messages.
    - `weight`: of the field and its arguments. `type_weight`: of one value. `is_list`: whether the value is a
      list.
    - `default_size`: the length of a list that nothing describes.
    - `sized`: paths to the lists inside the value whose length this field's `list_size` gives.
    """

    key: str
    name: str
    coordinate: str
    weight: int
    type_weight: int
    is_list: bool
    default_size: int
    list_size: ListSize = NO_LIST_SIZE
    sized: tuple[tuple[str, ...], ...] = ()
    arguments: tuple[CostArgument, ...] = ()
    defaults: Mapping[str, object] | None = None
    children: "tuple[CostField | CostFragment, ...]" = ()


@dataclass(frozen=True, slots=True)
class CostFragment:
    """The further fields of objects of some types."""

    types: frozenset[str]
    children: "tuple[CostField | CostFragment, ...]"


CostSelections = tuple[CostField | CostFragment, ...]


class TreeBuilder:
    """Builds trees. `size_of`: the default length of lists, by subgraph."""

    def __init__(self, supergraph: Supergraph, size: int, sizes: Mapping[str, int]) -> None:
        self.supergraph = supergraph
        self.weights = Weights(supergraph)
        self.size = size
        self.sizes = sizes

    def tree(self, text: str, root: str, subgraph: str | None = None) -> CostSelections:
        """Return the tree of an operation. `root`: the root type. `subgraph`: the one that gets the request;
        None for an operation over the API.
        """
        document = parse(text, no_location=True)
        operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
        return _Tree(self, subgraph).selections(operation.selection_set, root)


class _Tree:
    """The tree of one request."""

    def __init__(self, builder: TreeBuilder, subgraph: str | None) -> None:
        self.weights = builder.weights
        self.supergraph = builder.supergraph
        self.subgraph = subgraph
        self.size = builder.size if subgraph is None else builder.sizes.get(subgraph, builder.size)

    def selections(self, node: SelectionSetNode, parent: str) -> CostSelections:
        """Return the weighted selections on a type."""
        return tuple(self._each(node, parent))

    def _each(self, node: SelectionSetNode, parent: str) -> Iterator[CostField | CostFragment]:
        for item in node.selections:
            if isinstance(item, InlineFragmentNode):
                type_name = item.type_condition.name.value if item.type_condition else parent
                possible = self.supergraph.possible.get(type_name) or frozenset({type_name})
                yield CostFragment(possible, self.selections(item.selection_set, type_name))
            elif isinstance(item, FieldNode):
                if item.name.value == ENTITIES:
                    yield self.entities(item)
                elif item.name.value != TYPENAME:
                    yield self.field(item, parent)

    def entities(self, node: FieldNode) -> CostField:
        """Return the field `_entities`: at least one entity, of the heaviest type that is looked up."""
        children = self.selections(node.selection_set, "_Entity") if node.selection_set else ()
        names = [name for item in children if isinstance(item, CostFragment) for name in item.types]
        weight = max(map(self.weights.of_type, names), default=1)
        key = node.alias.value if node.alias else ENTITIES
        size = max(self.size, 1)
        return CostField(key, ENTITIES, "Query._entities", 0, weight, True, size, children=children)

    def field(self, node: FieldNode, parent: str) -> CostField:
        """Return a field with its weights and its children."""
        name = node.name.value
        weights = self.weights.of_field(parent, name, self._reference(parent, name))
        given = tuple(
            CostArgument(one.name.value, one.value, weights.inputs.get(one.name.value))
            for one in node.arguments or ()
        )
        make = partial(CostField, node.alias.value if node.alias else name, name, f"{parent}.{name}")
        below = node.selection_set
        return make(
            weights.weight + sum(weights.arguments.get(one.name, 0) for one in given),
            weights.type_weight,
            weights.is_list,
            self.size,
            weights.list_size,
            _paths(weights),
            given,
            weights.defaults,
            self.selections(below, weights.type_name) if below else (),
        )

    def _reference(self, parent: str, name: str) -> str | None:
        """Return the type of a field as the subgraph defines it, for a field that clients can't see."""
        if self.subgraph is None:
            return None
        known = self.supergraph.subgraphs[self.subgraph].types.get(parent)
        return known.fields[name].type if known is not None and name in known.fields else None


def _paths(weights: FieldWeights) -> tuple[tuple[str, ...], ...]:
    """Return the sized fields as paths: `results { page }` is ("results", "page")."""
    return tuple(tuple(text.replace("{", " ").replace("}", " ").split()) for text in weights.list_size.sized)
