"""The one tree of errors that a service may show, and the masking of all others.

A resolver raises one of these; anything else that escapes (a bug, a database that is gone) reaches the caller
as "Internal error" with an id, under which the log has the whole story.
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
    """Something that the caller did and may be told; `code` ends up in `extensions.code`."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, **extensions: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extensions = extensions


class BadUserInput(DomainError):
    """A value that breaks a rule; `field` names it."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message, **({"field": field} if field else {}))


class Unauthenticated(DomainError):
    """Nobody is logged in, or the token is not valid."""

    code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """Logged in, but not allowed to."""

    code = "FORBIDDEN"


class NotFound(DomainError):
    """What the caller named does not exist."""

    code = "NOT_FOUND"


class Conflict(DomainError):
    """The state of things does not allow it: already taken, already done."""

    code = "CONFLICT"


class RateLimited(DomainError):
    """Too many attempts; `retryAfterSeconds` in the extensions says when to come back."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message, retryAfterSeconds=retry_after_seconds)


def format_error(error: GraphQLError) -> GraphQLFormattedError:
    """The form in which an error of an execution leaves the service."""
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
    """A whole answer for a request that is refused before it is executed."""
    return {
        "data": None,
        "errors": [{"message": error.message, "extensions": {"code": error.code, **error.extensions}}],
    }


def _logged(error: BaseException, path: list[str | int] | None) -> str:
    """The trace is written out here: a renderer with local variables would put passwords into the log, and so
    would PostgreSQL's details, which quote rows.
    """
    error_id = uuid.uuid4().hex
    trace = _DETAIL.sub(r"\1 (left out)", "".join(traceback.format_exception(error)))
    log.error("internal error", id=error_id, path=path, trace=trace)
    return error_id


def _code(error: GraphQLError) -> str:
    """graphql-core's own errors carry no code.

    Syntax, rules and coercion are told apart by what they know.
    """
    if error.path:
        return "BAD_USER_INPUT"
    if error.message.startswith("Syntax Error"):
        return "GRAPHQL_PARSE_FAILED"
    return "BAD_USER_INPUT" if error.message.startswith("Variable ") else "GRAPHQL_VALIDATION_FAILED"
