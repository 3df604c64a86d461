"""Coerces variables (GraphQL spec, CoerceVariableValues), and evaluates @skip and @include."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    Undefined,
    get_variable_values,
    value_from_ast_untyped,
)
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
INCREMENTAL = frozenset({"defer", "stream"})


class _Conditions(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode | ConstDirectiveNode, *_: object) -> None:
        """Collect the variables of an @skip, @include, @defer or @stream."""
        if node.name.value in CONDITIONS or node.name.value in INCREMENTAL:
            self.names.update(
                item.value.name.value for item in node.arguments or () if isinstance(item.value, VariableNode)
            )


def condition_variables(document: DocumentNode) -> tuple[str, ...]:
    """Return the names of the variables in @skip, @include, @defer and @stream, sorted.

    Each combination of values has its own plan.
    """
    visitor = _Conditions()
    visit(document, visitor)
    return tuple(sorted(visitor.names))


def argument_value(node: DirectiveNode, name: str, conditions: Mapping[str, Any], default: Any) -> Any:
    """Return the value of a directive's argument. `conditions`: the values of variables."""
    value = next((item.value for item in node.arguments or () if item.name.value == name), None)
    if value is None:
        return default
    found = value_from_ast_untyped(value, dict(conditions))
    return default if found is Undefined or found is None else found


def incremental_directive(
    directives: tuple[DirectiveNode, ...] | None, name: str, conditions: Mapping[str, Any]
) -> DirectiveNode | None:
    """Return the @defer or @stream (`name`) of a selection; None without one, or if its `if` is false."""
    found = next((node for node in directives or () if node.name.value == name), None)
    if found is None or argument_value(found, "if", conditions, True) is False:
        return None
    return found


def is_incremental(document: DocumentNode) -> bool:
    """Return whether a document has @defer or @stream."""
    visitor = _Incremental()
    visit(document, visitor)
    return visitor.found


class _Incremental(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_directive(self, node: DirectiveNode | ConstDirectiveNode, *_: object) -> None:
        """Look for @defer and @stream."""
        self.found = self.found or node.name.value in INCREMENTAL


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
