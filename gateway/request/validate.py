"""Validation of a document against the API schema (GraphQL spec, section 5)."""

from graphql import DocumentNode, GraphQLError, GraphQLSchema, specified_rules, validate

from gateway.core.errors import RequestError
from gateway.request.parse import places
from gateway.settings import Limits


def validate_document(
    schema: GraphQLSchema, document: DocumentNode, limits: Limits
) -> tuple[RequestError, ...]:
    """Everything that is wrong with a document, up to the limit; nothing when it is valid."""
    try:
        found = validate(schema, document, specified_rules, max_errors=limits.validation_errors)
    except RecursionError:
        return (RequestError(f"the document is nested deeper than {limits.depth}", "TOO_COMPLEX"),)
    return tuple(RequestError(item.message, _code(item), locations=places(item)) for item in found)


def _code(error: GraphQLError) -> str:
    """The library ends its list with an error of its own when there are too many."""
    return (
        "TOO_COMPLEX"
        if error.message.startswith(("Too many validation errors", "Validation aborted"))
        else "GRAPHQL_VALIDATION_FAILED"
    )
