"""Computes the actual cost of a request from its tree and its reply: lists count as long as they are."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.cost.estimate import literal_inputs
from gateway.cost.tree import CostField, CostSelections
from gateway.cost.weights import Weights


def actual_cost(weights: Weights, items: CostSelections, data: Any) -> int:
    """Return the actual cost of selections. `data`: the object that they were selected on; null costs 0."""
    if not isinstance(data, Mapping):
        return 0
    total = 0
    type_name = data.get("__typename")
    for item in items:
        if isinstance(item, CostField):
            total += _field(weights, item, data[item.key]) if item.key in data else 0
        elif not isinstance(type_name, str) or type_name in item.types:
            total += actual_cost(weights, item.children, data)
    return total


def _field(weights: Weights, item: CostField, value: Any) -> int:
    own = item.weight + literal_inputs(weights, item)
    return own + sum(item.type_weight + actual_cost(weights, item.children, one) for one in _values(value))


def _values(value: Any) -> Iterable[Any]:
    """Yield the values in a field's value: the items of a list, those of lists in it; none for null."""
    if not isinstance(value, list):
        return () if value is None else (value,)
    return [inner for one in value for inner in (_values(one) if isinstance(one, list) else (one,))]
