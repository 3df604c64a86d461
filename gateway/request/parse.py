"""A document's text becomes an AST, within limits on its tokens and its depth."""

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


def places(error: GraphQLError) -> list[Location]:
    """Where graphql-core saw an error."""
    return [Location(place.line, place.column) for place in error.locations or ()]


def parse_document(text: str, limits: Limits) -> DocumentNode:
    """Parse an executable document.

    Raises RequestError: GRAPHQL_PARSE_FAILED at the place where the syntax breaks, TOO_COMPLEX over a limit.
    """
    try:
        document = parse(text, max_tokens=limits.tokens)
    except GraphQLError as error:
        if error.message.endswith("Parsing aborted."):  # the library's words at a limit of its own, too
            message = error.message.removeprefix("Syntax Error: ").removesuffix(" Parsing aborted.")
            raise RequestError(message, "TOO_COMPLEX", locations=places(error)) from error
        raise RequestError(error.message, "GRAPHQL_PARSE_FAILED", locations=places(error)) from error
    except RecursionError as error:
        raise RequestError(f"the document is nested deeper than {limits.depth}", "TOO_COMPLEX") from error
    _check_depth(document, limits)
    return document


def _check_depth(document: DocumentNode, limits: Limits) -> None:
    """Refuse what is nested too deeply or has too many fields in one place.

    Each fragment is measured once.
    """
    fragments = {
        item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)
    }
    known: dict[str, int] = {}

    def depth(selections: SelectionSetNode | None, seen: frozenset[str]) -> int:
        if selections is None:
            return 0
        if len(selections.selections) > limits.aliases:
            raise RequestError(f"a selection set has more than {limits.aliases} fields", "TOO_COMPLEX")
        deepest = 1 + max((below(item, seen) for item in selections.selections), default=0)
        if deepest > limits.depth:
            raise RequestError(f"the operation is nested deeper than {limits.depth}", "TOO_COMPLEX")
        return deepest

    def below(
        item: FieldNode | InlineFragmentNode | FragmentSpreadNode | object, seen: frozenset[str]
    ) -> int:
        if isinstance(item, FragmentSpreadNode):
            name = item.name.value
            if name in seen or name not in fragments:  # validation reports circles and unknown names
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
        raise RequestError(f"the document is nested deeper than {limits.depth}", "TOO_COMPLEX") from error


def pick_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation to run (GraphQL spec, GetOperation). Raises RequestError OPERATION_RESOLUTION_FAILURE."""
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
        "the document has no operation" if not operations else f"say operationName: {_named(operations)}"
    )
    raise RequestError(trouble, "OPERATION_RESOLUTION_FAILURE")


def _named(operations: Iterable[OperationDefinitionNode]) -> str:
    names = [item.name.value for item in operations if item.name]
    return "the document has " + ", ".join(names) if names else "the document's operations have no names"
