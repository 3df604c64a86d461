"""Coerces variables (GraphQL spec, CoerceVariableValues), and evaluates @skip and @include."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, get_variable_values
from graphql.language import (
    BooleanValueNode,
    ConstDirectiveNode,
    DirectiveNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

from gateway.core.errors import RequestError
from gateway.request.parse import locations_of

MAX_DEPTH = 200  # nested lists and objects; encoders and subgraphs fail at a slightly higher depth


def coerce_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values of the variables, with defaults; a missing variable without a default is absent.

    `given`: the request's variables. Raises RequestError BAD_USER_INPUT with the name of the variable and the
    value that does not fit.
    """
    if not operation.variable_definitions:
        return {}
    if _is_deeper(given, MAX_DEPTH):
        raise _too_deep()
    try:
        values = get_variable_values(schema, operation.variable_definitions or (), dict(given), max_errors=10)
    except RecursionError as error:
        raise _too_deep() from error
    if isinstance(values, list):
        first: GraphQLError = values[0]
        raise RequestError(first.message, "BAD_USER_INPUT", locations=locations_of(first))
    return dict(values.coerced)


def _too_deep() -> RequestError:
    return RequestError(
        f"expected variables with at most {MAX_DEPTH} nested levels, got more", "BAD_USER_INPUT"
    )


def _is_deeper(value: Any, limit: int) -> bool:
    """Return whether a value nests lists and objects more than `limit` levels deep."""
    level = [value]
    for _ in range(limit + 1):
        level = [item for one in level for item in _children(one)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


CONDITIONS = frozenset({"skip", "include"})


class _Conditions(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode | ConstDirectiveNode, *_: object) -> None:
        """Collect the variable of an @skip or @include."""
        if node.name.value in CONDITIONS:
            self.names.update(
                item.value.name.value for item in node.arguments or () if isinstance(item.value, VariableNode)
            )


def condition_variables(document: DocumentNode) -> tuple[str, ...]:
    """Return the names of the variables in @skip and @include, sorted.

    Each combination of values has its own plan.
    """
    visitor = _Conditions()
    visit(document, visitor)
    return tuple(sorted(visitor.names))


def included(directives: tuple[DirectiveNode, ...] | None, conditions: Mapping[str, Any]) -> bool:
    """Return whether @skip and @include include a selection (GraphQL spec, section 3.13).

    `conditions`: the values of variables.
    """
    for node in directives or ():
        if node.name.value in CONDITIONS:
            value = next((item.value for item in node.arguments or () if item.name.value == "if"), None)
            if isinstance(value, VariableNode):
                holds = bool(conditions.get(value.name.value))
            else:
                holds = isinstance(value, BooleanValueNode) and value.value
            if holds == (node.name.value == "skip"):
                return False
    return True
