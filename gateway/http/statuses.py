"""The HTTP statuses of GraphQL answers: one table (GraphQL over HTTP, section 6.4).

Each row is an outcome: an error code, or one of ANSWER and PARTIAL. Its statuses are those

- for clients that take `application/json` alone, which may treat every status but 200 as a broken connection:
  what GraphQL itself refuses in a well-formed request is 200;
- for clients that know `application/graphql-response+json`, as npm's `graphql-http` audits them;
- for the latter under `--http-status draft-2026`: 294 when an answer has data and errors, 422 when the server
  understands a request and can't process it. That draft says nothing of `application/json`, whose statuses
  stay.
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
    """The statuses of one outcome: by `application/json`, by the newer media type, and that by the draft."""

    json: int
    audited: int
    draft: int


def _same(status: int) -> StatusRow:
    return StatusRow(status, status, status)


OTHER = _same(400)
"""Codes that have no row, which plugins may raise."""

STATUSES: Mapping[str, StatusRow] = {
    ANSWER: _same(200),
    PARTIAL: StatusRow(200, 200, 294),
    "INVALID_JSON": _same(400),
    "BAD_REQUEST": StatusRow(400, 400, 422),
    "GRAPHQL_PARSE_FAILED": StatusRow(200, 400, 400),
    "GRAPHQL_VALIDATION_FAILED": StatusRow(200, 400, 422),
    "OPERATION_RESOLUTION_FAILURE": StatusRow(200, 400, 422),
    "BAD_USER_INPUT": StatusRow(200, 400, 422),
    "TOO_COMPLEX": StatusRow(200, 400, 422),
    "INTROSPECTION_DISABLED": StatusRow(200, 400, 422),
    "PERSISTED_QUERY_NOT_SUPPORTED": StatusRow(200, 400, 422),
    "SUBSCRIPTIONS_NOT_SERVED": StatusRow(400, 400, 422),
    "PLAN_LIMIT_EXCEEDED": StatusRow(400, 400, 422),
    "PLAN_NOT_FOUND": _same(400),
    "INTERFACE_FIELD_SPLIT": StatusRow(400, 400, 422),
    "NOT_FOUND": _same(404),
    "METHOD_NOT_ALLOWED": _same(405),
    "NOT_ACCEPTABLE": _same(406),
    "REQUEST_TOO_LARGE": _same(413),
    "UNSUPPORTED_MEDIA_TYPE": _same(415),
    "UNSUPPORTED_CONTENT_ENCODING": _same(415),
    "INTERNAL_SERVER_ERROR": _same(500),
}


def status_for(outcomes: Iterable[str], media: str, mode: StatusMode) -> int:
    """The status for one or more outcomes of a request, the highest of theirs."""
    rows = [STATUSES.get(outcome, OTHER) for outcome in outcomes]
    if media == JSON:
        return max(row.json for row in rows)
    return max(row.audited if mode == "audited" else row.draft for row in rows)


def status_of(envelope: Envelope, media: str, mode: StatusMode) -> int:
    """The status of an answer or a refusal to a client that accepts this media type.

    A refusal that names a status of its own has that one.
    """
    if envelope.refused is None:
        return status_for([PARTIAL if has_errors(envelope) else ANSWER], media, mode)
    if envelope.refused != BY_CODE:
        return envelope.refused
    errors = envelope.response["errors"] if isinstance(envelope.response, Mapping) else ()
    return status_for([error["extensions"]["code"] for error in errors] or [ANSWER], media, mode)


def has_errors(envelope: Envelope) -> bool:
    """Whether an answer has errors. One that is written begins with them, as the exact path puts them first,
    and the compiled path writes none.
    """
    response = envelope.response
    if isinstance(response, bytes):
        return response.startswith(b'{"errors":')
    return isinstance(response, Mapping) and bool(response.get("errors"))
