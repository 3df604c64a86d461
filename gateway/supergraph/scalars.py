"""The built-in scalars, and the values that subgraphs may return for them (GraphQL spec, 3.5).

The exact path checks values with `accepts`; compiled plans decode with the type `decoded`, which refuses the
same values. A test compares the two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any

from graphql import GraphQLScalarType, GraphQLSchema, is_specified_scalar_type, value_from_ast_untyped
from graphql.language import FloatValueNode, ListValueNode, ObjectValueNode, ValueNode
from msgspec import Meta

from gateway.core.numbers import ExactNumber, exact_number

INT_MIN, INT_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """One built-in scalar.

    `accepts(value)`: whether a subgraph's value is valid. `decoded`: the type for msgspec.
    `serialize(value)`: the value in the response, on the exact path.
    """

    name: str
    accepts: Callable[[Any], bool]
    decoded: Any
    serialize: Callable[[Any], Any] = lambda value: value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and INT_MIN <= value <= INT_MAX


def _is_float(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """Return a Float without its original text, so that both paths write the same."""
    return float(value) if isinstance(value, ExactNumber) else value


def _same(value: Any) -> Any:
    return value


def keep_number_text(schema: GraphQLSchema) -> None:
    """Let the custom scalars of a schema coerce literals so that decimals keep their text ("1.10" is not
    "1.1").

    graphql-core copies a scalar with a function for literals (when it sorts or changes a schema) only if it
    also has one for values, so both are set.
    """
    for item in schema.type_map.values():
        if isinstance(item, GraphQLScalarType) and not is_specified_scalar_type(item):
            item.coerce_input_literal = literal_value
            item.coerce_input_value = _same


def literal_value(node: ValueNode, variables: Any = None) -> Any:
    """Return the value of a literal of a custom scalar. `variables`: as graphql-core passes them."""
    if isinstance(node, FloatValueNode):
        return exact_number(node.value)
    if isinstance(node, ListValueNode):
        return [literal_value(one, variables) for one in node.values]
    if isinstance(node, ObjectValueNode):
        return {one.name.value: literal_value(one.value, variables) for one in node.fields}
    return value_from_ast_untyped(node, variables)


SCALARS: Mapping[str, Scalar] = {
    one.name: one
    for one in (
        Scalar("String", lambda value: isinstance(value, str), str),
        # a number becomes text; compiled plans accept only text, so the exact path handles it
        Scalar("ID", _is_id, str, str),
        Scalar("Int", _is_int, Annotated[int, Meta(ge=INT_MIN, le=INT_MAX)]),
        Scalar("Float", _is_float, int | float, _plain),
        Scalar("Boolean", lambda value: isinstance(value, bool), bool),
    )
}
