"""Validates a document against the API schema (GraphQL spec, section 5)."""

from functools import partial
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, specified_rules, validate
from graphql.validation import ASTValidationContext, ASTValidationRule

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
    deadline: Any = partial(_Deadline, limits.validation_time, clock)
    rules = [*specified_rules, deadline]
    try:
        found = validate(schema, document, rules, limits.validation_errors, hide_suggestions=not suggestions)
    except RecursionError:
        return (too_deep(limits),)
    except LimitExceeded as error:
        return (error,)
    return tuple(RequestError(item.message, _code(item), locations=locations_of(item)) for item in found)


class _Deadline(ASTValidationRule):
    """A validation rule that ends a validation which needs too much time. `limit`: in seconds."""

    def __init__(self, limit: float, clock: Clock, context: ASTValidationContext) -> None:
        super().__init__(context)
        self.limit = limit
        self.clock = clock
        self.end = clock.time() + limit

    def enter_field(self, *_: Any) -> None:
        """Raise LimitExceeded when the time is over."""
        if self.clock.time() > self.end:
            raise LimitExceeded("VALIDATION_TIME_LIMIT", self.limit, "seconds of validation")


def _code(error: GraphQLError) -> str:
    """Return an error's code; another one where graphql-core stopped after too many errors."""
    aborted = error.message.startswith(("Too many validation errors", "Validation aborted"))
    return "VALIDATION_ABORTED" if aborted else "GRAPHQL_VALIDATION_FAILED"
