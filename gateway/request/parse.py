"""Parses a document within the limits, and finds the operation to run in it."""

from collections.abc import Iterable

from graphql import DocumentNode, GraphQLError, parse
from graphql.language import OperationDefinitionNode

from gateway.core.errors import Location, RequestError
from gateway.request.limits import LimitExceeded, check_limits, too_deep
from gateway.settings import Limits


def locations_of(error: GraphQLError) -> list[Location]:
    """Return the locations of an error of graphql-core."""
    return [Location(place.line, place.column) for place in error.locations or ()]


def parse_document(text: str, limits: Limits) -> DocumentNode:
    """Parse an executable document.

    Raises RequestError: GRAPHQL_PARSE_FAILED with the place of the syntax error; LimitExceeded.
    """
    try:
        document = parse(text, max_tokens=limits.tokens)
    except GraphQLError as error:
        if error.message.endswith("Parsing aborted."):  # by graphql-core's own limits
            if "tokens" not in error.message:
                raise too_deep(limits) from error
            places = locations_of(error)
            raise LimitExceeded("MAX_TOKENS_LIMIT", limits.tokens, "tokens", places) from error
        raise RequestError(error.message, "GRAPHQL_PARSE_FAILED", locations=locations_of(error)) from error
    except RecursionError as error:
        raise too_deep(limits) from error
    check_limits(document, limits)
    return document


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
