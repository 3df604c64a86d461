"""The HTTP statuses of GraphQL responses, as one table (GraphQL over HTTP, section 6.4).

Each row is an outcome: an error code, ANSWER (a response without errors), or PARTIAL (a response with data
and errors). Its statuses are those

- for clients that accept only `application/json`, which may treat any status but 200 as a broken connection:
  a well-formed request that GraphQL itself refuses gets 200;
- for clients that accept `application/graphql-response+json`, as npm's `graphql-http` audits them;
- for the latter with `--http-status draft-2026`: 294 for a response with data and errors, 422 for a request
  that is understood and can't be processed. The draft does not define statuses for `application/json`.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from gateway.core.envelope import BY_CODE, Envelope
from gateway.http.negotiate import JSON

StatusMode = Literal["audited", "draft-2026"]
MODES: tuple[StatusMode, ...] = ("audited", "draft-2026")
ANSWER = "(an answer without errors)"
PARTIAL = "(an answer with data, be it null, and errors)"


class StatusRow(NamedTuple):
    """The statuses of one outcome.

    `json`: for `application/json`. `audited`: for `application/graphql-response+json`. `draft`: for
    `application/graphql-response+json` by the draft of 2026.
    """

    json: int
    audited: int
    draft: int


def _same(status: int) -> StatusRow:
    return StatusRow(status, status, status)


OTHER = _same(400)
"""The statuses of codes without a row, which plugins may raise."""

STATUSES: Mapping[str, StatusRow] = {
    ANSWER: _same(200),
    PARTIAL: StatusRow(200, 200, 294),
    "INVALID_JSON": _same(400),
    "BAD_REQUEST": StatusRow(400, 400, 422),
    "BATCH_LIMIT": StatusRow(400, 400, 422),
    "UPLOAD_LIMIT": _same(503),
    "UPLOAD_INCOMPLETE": _same(400),
    "GRAPHQL_PARSE_FAILED": StatusRow(200, 400, 400),
    "GRAPHQL_VALIDATION_FAILED": StatusRow(200, 400, 422),
    "OPERATION_RESOLUTION_FAILURE": StatusRow(200, 400, 422),
    "BAD_USER_INPUT": StatusRow(200, 400, 422),
    "MAX_TOKENS_LIMIT": StatusRow(200, 400, 422),
    "MAX_DEPTH_LIMIT": StatusRow(200, 400, 422),
    "MAX_HEIGHT_LIMIT": StatusRow(200, 400, 422),
    "MAX_BREADTH_LIMIT": StatusRow(200, 400, 422),
    "MAX_ROOT_FIELDS_LIMIT": StatusRow(200, 400, 422),
    "MAX_ALIASES_LIMIT": StatusRow(200, 400, 422),
    "MAX_DIRECTIVES_LIMIT": StatusRow(200, 400, 422),
    "MAX_FRAGMENTS_LIMIT": StatusRow(200, 400, 422),
    "MAX_SELECTIONS_LIMIT": StatusRow(200, 400, 422),
    "MAX_INTROSPECTION_LIMIT": StatusRow(200, 400, 422),
    "MAX_ARGUMENTS_LIMIT": StatusRow(200, 400, 422),
    "VALIDATION_TIME_LIMIT": StatusRow(200, 400, 422),
    "VALIDATION_ABORTED": StatusRow(200, 400, 422),
    "COST_ESTIMATED_TOO_EXPENSIVE": StatusRow(200, 400, 422),
    "COST_INVALID_SLICING_ARGUMENTS": StatusRow(200, 400, 422),
    "INTROSPECTION_DISABLED": StatusRow(200, 400, 422),
    "PLAN_HEADER_DISABLED": StatusRow(200, 400, 422),
    "PERSISTED_QUERY_NOT_SUPPORTED": StatusRow(200, 400, 422),
    "PERSISTED_QUERY_NOT_FOUND": StatusRow(200, 400, 422),
    "PERSISTED_QUERY_HASH_MISMATCH": _same(400),
    "PERSISTED_DOCUMENT_ID_REQUIRED": StatusRow(200, 400, 422),
    "PERSISTED_DOCUMENT_NOT_FOUND": StatusRow(200, 400, 422),
    "PERSISTED_DOCUMENT_EXTRACTION_FAILED": StatusRow(200, 400, 422),
    "PERSISTED_DOCUMENT_RESOLUTION_FAILED": StatusRow(200, 400, 422),
    "QUERY_NOT_IN_SAFELIST": StatusRow(200, 400, 422),
    "SUBSCRIPTIONS_NOT_SERVED": StatusRow(400, 400, 422),
    "STREAM_NOT_ACCEPTED": _same(406),
    "SUBSCRIPTION_LIMIT": _same(503),
    "SUBSCRIPTION_SERVER_CLOSED": _same(503),
    "SUBSCRIPTION_SCHEMA_RELOAD": _same(400),
    "SUBSCRIPTION_CONFIG_RELOAD": _same(400),
    "SUBSCRIPTION_JWT_EXPIRED": _same(401),
    "OPERATION_LIMIT": _same(429),
    "SLOW_CLIENT": _same(400),
    "STREAM_CONFLICT": _same(409),
    "INVALID_CURSOR": StatusRow(400, 400, 422),
    "PLAN_LIMIT_EXCEEDED": StatusRow(400, 400, 422),
    "PLAN_NOT_FOUND": _same(400),
    "INTERFACE_FIELD_SPLIT": StatusRow(400, 400, 422),
    "UNAUTHENTICATED": _same(401),
    "UNAUTHORIZED_FIELD_OR_TYPE": _same(403),
    "NOT_FOUND": _same(404),
    "CACHE_NOT_INVALIDATED": _same(503),
    "CSRF_PREVENTED": _same(400),
    "METHOD_NOT_ALLOWED": _same(405),
    "NOT_ACCEPTABLE": _same(406),
    "REQUEST_TOO_LARGE": _same(413),
    "RATE_LIMITED": _same(429),
    "UNSUPPORTED_MEDIA_TYPE": _same(415),
    "UNSUPPORTED_CONTENT_ENCODING": _same(415),
    "INTERNAL_SERVER_ERROR": _same(500),
}


def status_for(outcomes: Iterable[str], media: str, mode: StatusMode) -> int:
    """Return the highest status of these outcomes (keys of STATUSES), for a client that accepts `media`."""
    rows = [STATUSES.get(outcome, OTHER) for outcome in outcomes]
    if media == JSON:
        return max(row.json for row in rows)
    return max(row.audited if mode == "audited" else row.draft for row in rows)


def status_of(envelope: Envelope, media: str, mode: StatusMode) -> int:
    """Return the status of an envelope for a client that accepts `media`.

    An explicit `refused` status takes precedence.
    """
    if envelope.refused is None:
        return status_for([PARTIAL if has_errors(envelope) else ANSWER], media, mode)
    if envelope.refused != BY_CODE:
        return envelope.refused
    errors = envelope.response["errors"] if isinstance(envelope.response, Mapping) else ()
    return status_for([error["extensions"]["code"] for error in errors] or [ANSWER], media, mode)


def has_errors(envelope: Envelope) -> bool:
    """Return whether a response has errors.

    An encoded response with errors starts with them: the exact path puts them first, and responses of the
    compiled path have none.
    """
    response = envelope.response
    if isinstance(response, bytes):
        return response.startswith(b'{"errors":')
    return isinstance(response, Mapping) and bool(response.get("errors"))
