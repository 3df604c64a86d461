"""Validates a document against the API schema (GraphQL spec, section 5)."""

from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, specified_rules, validate
from graphql.validation import ASTValidationRule

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import RequestError
from gateway.request.limits import LimitExceeded, too_deep
from gateway.request.parse import locations_of
from gateway.settings import Limits


def validate_document(
    schema: GraphQLSchema,
    document: DocumentNode,
    limits: Limits,
    suggestions: bool = True,
    clock: Clock = SYSTEM_CLOCK,
) -> tuple[RequestError, ...]:
    """Return the errors of a document, up to the limit; empty if it is valid.

    `suggestions`: whether messages name similar fields and types. `clock`: for the limit on time.
    """
    rules = [*specified_rules, _deadline(limits, clock)]
    try:
        found = validate(schema, document, rules, limits.validation_errors, hide_suggestions=not suggestions)
    except RecursionError:
        return (too_deep(limits),)
    except LimitExceeded as error:
        return (error,)
    return tuple(RequestError(item.message, _code(item), locations=locations_of(item)) for item in found)


def _deadline(limits: Limits, clock: Clock) -> type[ASTValidationRule]:
    """Return a validation rule that ends a validation which needs too much time."""
    end = clock.time() + limits.validation_time

    class Deadline(ASTValidationRule):
        def enter_field(self, *_: Any) -> None:
            if clock.time() > end:
                raise LimitExceeded("VALIDATION_TIME_LIMIT", limits.validation_time, "seconds of validation")

    return Deadline


def _code(error: GraphQLError) -> str:
    """Return an error's code; another one where graphql-core stopped after too many errors."""
    aborted = error.message.startswith(("Too many validation errors", "Validation aborted"))
    return "VALIDATION_ABORTED" if aborted else "GRAPHQL_VALIDATION_FAILED"
