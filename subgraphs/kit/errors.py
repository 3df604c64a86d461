"""The errors that a service returns to callers, and the masking of all others.

Resolvers and handlers raise a DomainError for callers. For any other exception the caller receives a code
with an id, under which the log has the traceback: SERVER_UNAVAILABLE if the database does not answer, and
INTERNAL_SERVER_ERROR for a bug.
"""

import re
import traceback
import uuid
from collections.abc import Sequence
from typing import Any

import structlog
from graphql import GraphQLError, GraphQLFormattedError

from subgraphs.kit.outages import does_not_answer

log = structlog.get_logger("subgraphs.errors")
_UNAVAILABLE = ("A server that this service needs does not answer; try again", "SERVER_UNAVAILABLE")
_INTERNAL = ("Internal error", "INTERNAL_SERVER_ERROR")
_DETAIL = re.compile(r"(DETAIL:|Failing row contains).*")


class DomainError(Exception):
    """An error whose message and extensions the caller receives; `code` becomes `extensions.code`."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, **extensions: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extensions = extensions

    @property
    def parts(self) -> Sequence["DomainError"]:
        """The errors that this one is made of: itself, or one for each wrong field."""
        return [self]


class BadUserInput(DomainError):
    """An input value is not valid; `field` is the name of the argument or input field."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message, **({"field": field} if field else {}))


class SeveralMistakes(BadUserInput):
    """Several input values are not valid; `parts` has the error of each."""

    def __init__(self, mistakes: Sequence[BadUserInput]) -> None:
        first = mistakes[0]
        super().__init__("; ".join(one.message for one in mistakes), first.extensions.get("field"))
        self._mistakes = list(mistakes)

    @property
    def parts(self) -> Sequence["DomainError"]:
        """The error of each wrong field."""
        return self._mistakes


class Unauthenticated(DomainError):
    """The request has no token, or one that is not valid."""

    code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """The caller is logged in, but not allowed to execute the operation."""

    code = "FORBIDDEN"


class NotFound(DomainError):
    """The object that the operation names does not exist, or the caller may not see that it exists."""

    code = "NOT_FOUND"


class Conflict(DomainError):
    """The present state of an object does not allow the operation: a name is taken, a booking is
    cancelled.
    """

    code = "CONFLICT"


class IdempotencyKeyReused(Conflict):
    """The idempotency key was used before for another mutation, with other input, or for another step."""

    code = "IDEMPOTENCY_KEY_REUSED"


class RateLimited(DomainError):
    """The caller has made too many attempts; `extensions.retryAfterSeconds` is the pause before the next."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message, retryAfterSeconds=retry_after_seconds)


def format_error(error: GraphQLError) -> GraphQLFormattedError:
    """Return an error of an execution in the form for the response, with `extensions.code`.

    An error that is neither a DomainError nor from graphql-core is logged and masked.
    """
    original = error.original_error
    formatted = error.formatted
    if isinstance(original, DomainError):
        formatted["extensions"] = {"code": original.code, **original.extensions}
    elif original is None or isinstance(original, GraphQLError):
        formatted["extensions"] = {"code": _code(error), **formatted.get("extensions", {})}
    else:
        message, code = _UNAVAILABLE if does_not_answer(original) else _INTERNAL
        formatted["message"] = message
        formatted["extensions"] = {"code": code, "id": _logged(original, error.path)}
    return formatted


def refusal(error: DomainError) -> dict[str, Any]:
    """Return the GraphQL response to a request that this error refuses before its execution."""
    return {
        "data": None,
        "errors": [{"message": error.message, "extensions": {"code": error.code, **error.extensions}}],
    }


def _logged(error: BaseException, path: list[str | int] | None) -> str:
    """Log an error with its traceback and return the id of the log entry.

    The traceback is formatted here, without local variables and without PostgreSQL's details, which quote
    rows: passwords must not get into the log.
    """
    error_id = uuid.uuid4().hex
    trace = _DETAIL.sub(r"\1 (left out)", "".join(traceback.format_exception(error)))
    log.error("internal error", id=error_id, path=path, trace=trace)
    return error_id


def _code(error: GraphQLError) -> str:
    """Return the code for an error of graphql-core, which has no code: it follows from path and message."""
    if error.path:
        return "BAD_USER_INPUT"
    if error.message.startswith("Syntax Error"):
        return "GRAPHQL_PARSE_FAILED"
    return "BAD_USER_INPUT" if error.message.startswith("Variable ") else "GRAPHQL_VALIDATION_FAILED"
