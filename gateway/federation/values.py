"""Compares constant GraphQL values by value, however they are written.

Example: `{w: [1], v: 1.0}` and `{v: 1, w: [1.00]}` are equal, and so are a string and a block string with the
same text; `1` and `"1"`, `true` and `1`, `[1]` and `1` are not. Defaults and directive arguments are compared
only by this module.
"""

from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from math import isinf

from graphql import parse_const_value
from graphql.language import (
    BooleanValueNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
)

Constant = str | ValueNode | None


def same_value(one: Constant, other: Constant) -> bool:
    """Return whether two constants, as GraphQL text or AST, are equal. None means that there is no value."""
    return value_key(one) == value_key(other)


def value_key(value: Constant) -> Hashable:
    """Return a hashable key: equal constants have equal keys, and only they.

    An enum value and a string with the same letters are equal: a custom scalar reads both as the same text,
    and no other type allows both. Raises GraphQLError if a text is not a constant.
    """
    if value is None:
        return None
    return _key(parse_const_value(value, no_location=True) if isinstance(value, str) else value)


def _key(node: ValueNode) -> Hashable:
    if isinstance(node, ObjectValueNode):
        return "object", frozenset((one.name.value, _key(one.value)) for one in node.fields)
    if isinstance(node, ListValueNode):
        return "list", tuple(_key(one) for one in node.values)
    if isinstance(node, BooleanValueNode):
        return "boolean", node.value
    if isinstance(node, NullValueNode):
        return ("null",)
    if isinstance(node, IntValueNode | FloatValueNode):
        return "number", _number(node.value)
    return "text", getattr(node, "value", None)


def _number(written: str) -> Hashable:
    """Return an integer exactly, and any other number as the double that a GraphQL Float is.

    A number that neither can represent is compared by its text or its decimal value.
    """
    try:
        exact = Decimal(written)
    except InvalidOperation:
        return written
    double = float(exact)
    return exact if written.lstrip("-").isdigit() or isinf(double) else Decimal(double)
