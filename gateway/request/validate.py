"""Validates a document against the API schema (GraphQL spec, section 5)."""

from graphql import DocumentNode, GraphQLError, GraphQLSchema, specified_rules, validate

from gateway.core.errors import RequestError
from gateway.request.parse import locations_of
from gateway.settings import Limits


def validate_document(
    schema: GraphQLSchema, document: DocumentNode, limits: Limits
) -> tuple[RequestError, ...]:
    """Return the errors of a document, up to the limit; empty if it is valid."""
    try:
        found = validate(schema, document, specified_rules, max_errors=limits.validation_errors)
    except RecursionError:
        return (RequestError(f"expected at most {limits.depth} nested levels, got more", "TOO_COMPLEX"),)
    return tuple(RequestError(item.message, _code(item), locations=locations_of(item)) for item in found)


def _code(error: GraphQLError) -> str:
    """Return an error's code: TOO_COMPLEX where graphql-core stopped after too many errors."""
    return (
        "TOO_COMPLEX"
        if error.message.startswith(("Too many validation errors", "Validation aborted"))
        else "GRAPHQL_VALIDATION_FAILED"
    )
