"""Parses a document within limits on tokens, depth and fields, and finds the operation to run in it."""

from collections.abc import Iterable

from graphql import DocumentNode, GraphQLError, parse
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from gateway.core.errors import Location, RequestError
from gateway.settings import Limits


def locations_of(error: GraphQLError) -> list[Location]:
    """Return the locations of an error of graphql-core."""
    return [Location(place.line, place.column) for place in error.locations or ()]


def parse_document(text: str, limits: Limits) -> DocumentNode:
    """Parse an executable document.

    Raises RequestError: GRAPHQL_PARSE_FAILED with the place of the syntax error, TOO_COMPLEX above a limit.
    """
    try:
        document = parse(text, max_tokens=limits.tokens)
    except GraphQLError as error:
        if error.message.endswith("Parsing aborted."):  # graphql-core's token limits
            message = error.message.removeprefix("Syntax Error: ").removesuffix(" Parsing aborted.")
            raise RequestError(message, "TOO_COMPLEX", locations=locations_of(error)) from error
        raise RequestError(error.message, "GRAPHQL_PARSE_FAILED", locations=locations_of(error)) from error
    except RecursionError as error:
        raise RequestError(
            f"expected at most {limits.depth} nested levels, got more", "TOO_COMPLEX"
        ) from error
    _check_depth(document, limits)
    return document


def _too_deep(limits: Limits) -> RequestError:
    return RequestError(f"expected at most {limits.depth} nested levels, got more", "TOO_COMPLEX")


def _check_depth(document: DocumentNode, limits: Limits) -> None:
    """Raise RequestError TOO_COMPLEX for too deep nesting, or too many fields in one selection set.

    Each fragment is measured only once, however often it is spread.
    """
    fragments = {
        item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)
    }
    known: dict[str, int] = {}

    def depth(selections: SelectionSetNode | None, seen: frozenset[str]) -> int:
        if selections is None:
            return 0
        if len(selections.selections) > limits.aliases:
            raise RequestError(
                f"expected at most {limits.aliases} fields in a selection set, got more", "TOO_COMPLEX"
            )
        deepest = 1 + max((below(item, seen) for item in selections.selections), default=0)
        if deepest > limits.depth:
            raise _too_deep(limits)
        return deepest

    def below(
        item: FieldNode | InlineFragmentNode | FragmentSpreadNode | object, seen: frozenset[str]
    ) -> int:
        if isinstance(item, FragmentSpreadNode):
            name = item.name.value
            if name in seen or name not in fragments:  # validation reports cycles and unknown names
                return 0
            if name not in known:
                known[name] = depth(fragments[name].selection_set, seen | {name})
            return known[name] - 1
        if isinstance(item, InlineFragmentNode):
            return depth(item.selection_set, seen) - 1
        return depth(item.selection_set, seen) if isinstance(item, FieldNode) else 0

    try:
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
                depth(definition.selection_set, frozenset())
    except RecursionError as error:
        raise RequestError(
            f"expected at most {limits.depth} nested levels, got more", "TOO_COMPLEX"
        ) from error


def pick_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation to run (GraphQL spec, GetOperation). `name`: the request's operationName.

    Raises RequestError OPERATION_RESOLUTION_FAILURE if there is none, or several and no name.
    """
    operations = [item for item in document.definitions if isinstance(item, OperationDefinitionNode)]
    if name is not None and name != "":
        for item in operations:
            if item.name and item.name.value == name:
                return item
        raise RequestError(
            f'there is no operation named "{name}"; {_named(operations)}', "OPERATION_RESOLUTION_FAILURE"
        )
    if len(operations) == 1:
        return operations[0]
    trouble = (
        "expected an operation in the document, found none"
        if not operations
        else f"expected an operationName, got none; {_named(operations)}"
    )
    raise RequestError(trouble, "OPERATION_RESOLUTION_FAILURE")


def _named(operations: Iterable[OperationDefinitionNode]) -> str:
    names = [item.name.value for item in operations if item.name]
    return "the document has " + ", ".join(names) if names else "the document's operations have no names"
