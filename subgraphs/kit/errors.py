"""The errors that a service shows to callers, and the masking of all others.

A resolver raises a DomainError. Any other exception (a bug, an unavailable database) reaches the caller as
"Internal error" with an id; the log has the traceback under the same id.
"""

import re
import traceback
import uuid
from typing import Any

import structlog
from graphql import GraphQLError, GraphQLFormattedError

log = structlog.get_logger("subgraphs.errors")
_DETAIL = re.compile(r"(DETAIL:|Failing row contains).*")


class DomainError(Exception):
    """An error whose message and extensions are shown to the caller; `code` becomes `extensions.code`."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, **extensions: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extensions = extensions


class BadUserInput(DomainError):
    """An input value is not valid; `field` names it."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message, **({"field": field} if field else {}))


class Unauthenticated(DomainError):
    """The request has no token, or one that is not valid."""

    code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """The caller is logged in, but not allowed to do this."""

    code = "FORBIDDEN"


class NotFound(DomainError):
    """The object that the caller names does not exist."""

    code = "NOT_FOUND"


class Conflict(DomainError):
    """The present state does not allow the operation, such as a name that is taken or a booking that is
    cancelled.
    """

    code = "CONFLICT"


class RateLimited(DomainError):
    """Too many attempts; `retryAfterSeconds` in the extensions says after how many seconds to retry."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message, retryAfterSeconds=retry_after_seconds)


def format_error(error: GraphQLError) -> GraphQLFormattedError:
    """Return an execution's error as it is sent to the caller; errors that are not for callers are masked."""
    original = error.original_error
    formatted = error.formatted
    if isinstance(original, DomainError):
        formatted["extensions"] = {"code": original.code, **original.extensions}
    elif original is None or isinstance(original, GraphQLError):
        formatted["extensions"] = {"code": _code(error), **formatted.get("extensions", {})}
    else:
        formatted["message"] = "Internal error"
        formatted["extensions"] = {"code": "INTERNAL_SERVER_ERROR", "id": _logged(original, error.path)}
    return formatted


def refusal(error: DomainError) -> dict[str, Any]:
    """Return the response to a request that is refused before its execution."""
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
    """Return the code of an error of graphql-core, which has none itself: by its path and its message."""
    if error.path:
        return "BAD_USER_INPUT"
    if error.message.startswith("Syntax Error"):
        return "GRAPHQL_PARSE_FAILED"
    return "BAD_USER_INPUT" if error.message.startswith("Variable ") else "GRAPHQL_VALIDATION_FAILED"
