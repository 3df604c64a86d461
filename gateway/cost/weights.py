"""The weights of fields, types and inputs of a supergraph, from @cost and @listSize."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    value_from_ast_untyped,
)

from gateway.supergraph.metadata import ElementMetadata, ListSize
from gateway.supergraph.model import Supergraph, named

COMPOSITE_WEIGHT = 1
LEAF_WEIGHT = 0
NO_LIST_SIZE = ListSize(one_required=False)


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """The weights of a field.

    - `weight`: of the field itself. `arguments`: of arguments that are given.
    - `type_name`, `type_weight`: the named type of its value. `is_list`: whether the value is a list.
    - `list_size`: how its length, or that of lists in the value, is found.
    - `inputs`: the types of arguments. `defaults`: the default values of arguments.
    """

    weight: int
    arguments: Mapping[str, int]
    type_name: str
    type_weight: int
    is_list: bool
    list_size: ListSize = NO_LIST_SIZE
    inputs: Mapping[str, GraphQLInputType] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)


class Weights:
    """The weights of a supergraph; those of a field are computed when it is first used."""

    def __init__(self, supergraph: Supergraph) -> None:
        self.supergraph = supergraph
        self._fields: dict[tuple[str, str], FieldWeights] = {}

    def of_type(self, name: str) -> int:
        """Return the weight of a value of this type."""
        kind = self.supergraph.kinds.get(name)
        cost = self.supergraph.metadata.of_type(name).cost
        if kind in ("interface", "union"):
            return COMPOSITE_WEIGHT
        if cost is not None:
            return cost
        return COMPOSITE_WEIGHT if kind == "object" else LEAF_WEIGHT

    def of_input_field(self, type_name: str, name: str) -> int:
        """Return the weight of a field of an input object."""
        return self.supergraph.metadata.of_field(type_name, name).cost or 0

    def of_field(self, parent: str, name: str, reference: str | None = None) -> FieldWeights:
        """Return the weights of a field. `reference`: its type if clients can't see it.

        For a field of an interface, the largest weights of the objects that implement it count.
        """
        found = self._fields.get((parent, name))
        if found is None:
            found = self._fields[parent, name] = self._read(parent, name, reference)
        return found

    def _read(self, parent: str, name: str, reference: str | None) -> FieldWeights:
        reference = self.supergraph.field_types.get(parent, {}).get(name) or reference or "String"
        metadata = self._metadata(parent, name)
        sizes = [one.list_size for one in metadata if one.list_size is not None]
        arguments: dict[str, int] = {}
        for one in metadata:
            for argument, weight in one.arguments.items():
                arguments[argument] = max(weight, arguments.get(argument, weight))
        inputs, defaults = self._arguments(parent, name)
        type_name = named(reference)
        return FieldWeights(
            max((one.cost for one in metadata if one.cost is not None), default=0),
            arguments,
            type_name,
            self.of_type(type_name),
            "[" in reference,
            sizes[0] if sizes else NO_LIST_SIZE,
            inputs,
            defaults,
        )

    def _metadata(self, parent: str, name: str) -> list[ElementMetadata]:
        """Return the metadata of a field, of an interface's field for each object that implements it."""
        table = self.supergraph.metadata
        owners = (parent, *sorted(self.supergraph.possible.get(parent, ())))
        return [table.of_field(owner, name) for owner in dict.fromkeys(owners)]

    def _arguments(
        self, parent: str, name: str
    ) -> tuple[Mapping[str, GraphQLInputType], Mapping[str, object]]:
        """Return the types and the default values of a field's arguments that clients can see."""
        owner = self.supergraph.api.get_type(parent)
        if not isinstance(owner, GraphQLObjectType | GraphQLInterfaceType) or name not in owner.fields:
            return {}, {}
        arguments = owner.fields[name].args
        defaults = {
            argument: value_from_ast_untyped(item.ast_node.default_value)
            for argument, item in arguments.items()
            if item.ast_node is not None and item.ast_node.default_value is not None
        }
        return {argument: item.type for argument, item in arguments.items()}, defaults


def input_object(type_: object) -> GraphQLInputObjectType | None:
    """Return the input object type below lists and non-null; None for any other type."""
    while hasattr(type_, "of_type"):
        type_ = type_.of_type
    return type_ if isinstance(type_, GraphQLInputObjectType) else None
