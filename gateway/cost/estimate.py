"""Estimates the cost of a request from its tree and the values of its variables."""

from collections.abc import Mapping
from typing import Any

from graphql.language import ListValueNode, ObjectValueNode, ValueNode, VariableNode
from graphql.utilities import value_from_ast_untyped

from gateway.core.errors import RequestError
from gateway.cost.tree import CostArgument, CostField, CostSelections
from gateway.cost.weights import Weights, input_object

Sizes = Mapping[tuple[str, ...], int]
"""The lengths of lists below a field, by their path from it."""
NO_SIZES: Sizes = {}


class Estimator:
    """Estimates one request. `variables`: the coerced variables of the client's request."""

    def __init__(self, weights: Weights, variables: Mapping[str, Any]) -> None:
        self.weights = weights
        self.variables = variables

    def selections(self, items: CostSelections, sizes: Sizes = NO_SIZES) -> int:
        """Return the estimated cost of selections: the sum of all fields, in whatever fragment.

        Raises RequestError COST_INVALID_SLICING_ARGUMENTS.
        """
        return sum(
            self.field(item, sizes) if isinstance(item, CostField) else self.selections(item.children, sizes)
            for item in items
        )

    def field(self, item: CostField, sizes: Sizes) -> int:
        """Return the estimated cost of a field. `sizes`: lengths that the parent's @listSize gives."""
        own = item.weight + sum(self.inputs(one) for one in item.arguments)
        given = sizes.get((item.name,))
        below: dict[tuple[str, ...], int] = {
            path[1:]: size for path, size in sizes.items() if len(path) > 1 and path[0] == item.name
        }
        if item.sized:
            below |= dict.fromkeys(item.sized, self.size(item))
        value = item.type_weight + self.selections(item.children, below)
        if not item.is_list:
            return own + value
        if given is None:
            given = item.default_size if item.sized else self.size(item)
        return own + given * value

    def size(self, item: CostField) -> int:
        """Return the length that a field's @listSize gives, or the default length."""
        rule = item.list_size
        if rule.slicing:
            found = [size for one in rule.slicing if (size := self.slicing(item, one)) is not None]
            if rule.one_required and (len(found) > 1 or (not found and rule.assumed is None)):
                raise _wrong_slicing(item, len(found))
            if found:
                return max(found)
        return item.default_size if rule.assumed is None else rule.assumed

    def slicing(self, item: CostField, argument: str) -> int | None:
        """Return the length that a slicing argument gives; None if it has no value.

        `argument`: a name, or a path into an input object (`input.page.first`).
        """
        name, *path = argument.split(".")
        value = (item.defaults or {}).get(name)
        for one in item.arguments:
            if one.name == name:
                value = self.value(one.value, value)
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, list):
            return len(value)
        return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else None

    def value(self, node: ValueNode, default: Any) -> Any:
        """Return the value of an argument; `default` for a variable without a value."""
        if isinstance(node, VariableNode):
            return self.variables.get(node.name.value, default)
        if isinstance(node, ObjectValueNode):
            return {one.name.value: self.value(one.value, None) for one in node.fields}
        if isinstance(node, ListValueNode):
            return [self.value(one, None) for one in node.values]
        return value_from_ast_untyped(node)

    def inputs(self, argument: CostArgument) -> int:
        """Return the cost of the input objects in an argument."""
        if input_object(argument.type) is None:
            return 0
        return self.weigh(self.value(argument.value, None), argument.type)

    def weigh(self, value: Any, type_: Any) -> int:
        """Return the cost of an input value: 1 for each input object, and the weights of its fields."""
        if isinstance(value, list):
            return sum(self.weigh(one, type_) for one in value)
        known = input_object(type_)
        if known is None or not isinstance(value, Mapping):
            return 0
        return 1 + sum(
            self.weights.of_input_field(known.name, name) + self.weigh(one, known.fields[name].type)
            for name, one in value.items()
            if name in known.fields
        )


class NoVariables(dict[str, Any]):
    """Variables without values, that note whether one is `needed`."""

    needed = False

    def get(self, key: str, default: Any = None) -> Any:
        self.needed = True
        return default


def literal_inputs(weights: Weights, item: CostField) -> int:
    """Return the cost of the input objects that stand in the request itself, not in variables."""
    estimator = Estimator(weights, {})
    return sum(estimator.inputs(one) for one in item.arguments)


def _wrong_slicing(item: CostField, found: int) -> RequestError:
    names = ", ".join(item.list_size.slicing)
    message = f"{item.coordinate}: expected exactly one of the arguments {names}, got {found}"
    extensions = {"field": item.name, "found": found}
    return RequestError(message, "COST_INVALID_SLICING_ARGUMENTS", extensions=extensions)
