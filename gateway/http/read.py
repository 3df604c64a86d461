"""Reads a GraphQL request from an HTTP request (GraphQL over HTTP, sections 5 and 6)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.core.compression import SUPPORTED_ENCODINGS, BodyTooLarge, CorruptBody, UnknownEncoding, unpack
from gateway.core.errors import RequestError
from gateway.core.jsontext import NotJson, read_json
from gateway.documents.selectors import (
    NO_PARAMETERS,
    DocumentSelectors,
    RequestParts,
    read_parameters,
)
from gateway.request.graphql_request import NO_VARIABLES, DocumentReference, GraphQLRequest, PlanWish

LONGEST_CURSOR = 4_096  # characters of the cursor after which a subscription goes on
ACCEPTED = ", ".join(SUPPORTED_ENCODINGS).encode()
"""The supported content encodings, as the value of an Accept-Encoding header."""


class DocumentFinder(NamedTuple):
    """Finds how one request refers to its document: by the selectors, in its body, query string and path."""

    selectors: DocumentSelectors
    query_string: bytes
    path: str

    def by_post(self, payload: Mapping[str, Any]) -> DocumentReference | None:
        """Return the reference of a POST with this object as its body. Raises RequestError."""
        used = self.selectors.has_parameters
        parameters = read_parameters(self.query_string) if used else NO_PARAMETERS
        return self.selectors.reference(RequestParts(payload, parameters, self.path))

    def by_get(self, extensions: Any) -> DocumentReference | None:
        """Return the reference of a GET with these `extensions`. Raises RequestError."""
        parameters = read_parameters(self.query_string)
        payload = {name: values[0] for name, values in parameters.items()} | {"extensions": extensions}
        return self.selectors.reference(RequestParts(payload, parameters, self.path))


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """Return the decompressed body. `encoding`: the Content-Encoding. `limit`: the maximum size in bytes.

    Raises RequestError: UNSUPPORTED_CONTENT_ENCODING, REQUEST_TOO_LARGE or BAD_REQUEST.
    """
    try:
        return unpack(body, encoding, limit)
    except UnknownEncoding as error:
        raise RequestError(f"the body can't be read: {error}", "UNSUPPORTED_CONTENT_ENCODING") from error
    except BodyTooLarge as error:
        raise too_large(limit, " when unpacked") from error
    except CorruptBody as error:
        raise RequestError(f"the body can't be read: {error}", "BAD_REQUEST") from error


def too_large(limit: int, when: str = "") -> RequestError:
    """Return the error for a body above the limit. `when`: words to append, such as " when unpacked"."""
    return RequestError(f"expected a body of at most {limit:,} bytes{when}, got more", "REQUEST_TOO_LARGE")


def decoded_body(body: bytes, content_type: str) -> Any:
    """Return the JSON of a body. Raises RequestError UNSUPPORTED_MEDIA_TYPE or INVALID_JSON."""
    if content_type != "application/json":
        check_type(content_type)
    try:
        return read_json(body)
    except NotJson as error:
        raise RequestError(f"the body is not JSON: {error}", "INVALID_JSON") from error


def from_body(
    body: bytes, content_type: str, plan: PlanWish = False, finder: DocumentFinder | None = None
) -> GraphQLRequest:
    """Return the request in a POST body. `plan`: whether the client wants the plan in the response.

    `finder`: finds a document id; None if documents can't be sent by id.

    Raises RequestError: UNSUPPORTED_MEDIA_TYPE, INVALID_JSON or BAD_REQUEST.
    """
    payload = decoded_body(body, content_type)
    if isinstance(payload, list):
        raise RequestError(
            "expected one JSON object, got a list; send one operation at a time", "BAD_REQUEST"
        )
    if not isinstance(payload, dict):
        raise RequestError("expected a JSON object with a string `query` as the body", "BAD_REQUEST")
    return from_payload(payload, plan, finder)


def from_payload(
    payload: Mapping[str, Any],
    plan: PlanWish = False,
    finder: DocumentFinder | None = None,
    *,
    query_only: bool = False,
) -> GraphQLRequest:
    """Return the request in a JSON object; `plan` and `finder` as for `from_body`.

    `query_only`: whether it came by GET. Raises RequestError BAD_REQUEST.
    """
    name = payload.get("operationName")
    if name is not None and not isinstance(name, str):
        raise RequestError("the parameter operationName must be a string", "BAD_REQUEST")
    for key in ("variables", "extensions"):
        if payload.get(key) is not None and not isinstance(payload[key], dict):
            raise RequestError(f"the parameter {key} must be an object", "BAD_REQUEST")
    query = _query(payload) if finder is None else _query_or_none(payload)
    request = GraphQLRequest(query, payload.get("variables") or NO_VARIABLES, name, query_only, plan)
    extensions = payload.get("extensions")
    if extensions and "subscription" in extensions:
        request = request._replace(after=_cursor(extensions["subscription"]))
    if finder is None:
        return request
    return request._replace(document=finder.by_get(extensions) if query_only else finder.by_post(payload))


def check_type(content_type: str) -> None:
    """Raise RequestError UNSUPPORTED_MEDIA_TYPE for a content type that is not that of JSON in UTF-8."""
    media, _, parameters = content_type.partition(";")
    if media.strip().lower() not in ("application/json", "application/graphql+json"):
        message = f"expected the content type application/json, got {media.strip() or 'none'}"
        if media.strip().lower() == "multipart/form-data":
            message += "; files are accepted only with the setting uploads.enabled"
        raise RequestError(message, "UNSUPPORTED_MEDIA_TYPE")
    charset = parameters.lower().partition("charset=")[2].strip(' "')
    if charset and charset not in ("utf-8", "utf8"):
        raise RequestError(f"expected the charset utf-8, got {charset}", "UNSUPPORTED_MEDIA_TYPE")


def from_query_string(
    raw: bytes, plan: PlanWish = False, finder: DocumentFinder | None = None
) -> GraphQLRequest:
    """Return the request in the query string of a GET; `plan` and `finder` as for `from_body`.

    Raises RequestError: INVALID_JSON or BAD_REQUEST.
    """
    payload: dict[str, Any] = {name: values[-1] for name, values in read_parameters(raw).items()}
    for name in ("variables", "extensions"):
        if payload.get(name):
            try:
                payload[name] = read_json(payload[name])
            except NotJson as error:
                raise RequestError(f"the parameter {name} is not JSON: {error}", "INVALID_JSON") from error
        else:
            payload.pop(name, None)
    return from_payload(payload, plan, finder, query_only=True)


def _cursor(given: Any) -> str | None:
    """Return the cursor in `extensions.subscription`. Raises RequestError BAD_REQUEST."""
    cursor = given.get("cursor") if isinstance(given, dict) else given
    if cursor is not None and not (isinstance(cursor, str) and len(cursor) <= LONGEST_CURSOR):
        message = (
            f"expected extensions.subscription.cursor to be a string of at most {LONGEST_CURSOR} characters"
        )
        raise RequestError(message, "BAD_REQUEST")
    return cursor or None


def _query(payload: Mapping[str, Any]) -> str:
    """Return the text of the document. Raises RequestError if there is none."""
    query = payload.get("query")
    if isinstance(query, str) and query:
        return query
    if not query and (payload.get("extensions") or {}).get("persistedQuery") is not None:
        # Apollo's clients compare this exact text, and then send the document itself
        raise RequestError("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
    if isinstance(query, str):
        return query
    raise no_query(query)


def _query_or_none(payload: Mapping[str, Any]) -> str:
    """Return the text of the document; "" if there is none. Raises RequestError if it is no text."""
    query = payload.get("query")
    if query is not None and not isinstance(query, str):
        raise no_query(query)
    return query or ""


def no_query(query: Any) -> RequestError:
    """Return the error for a `query` that is no text."""
    what = "is missing" if query is None else "must be a string"
    return RequestError(f"the parameter `query` {what}", "BAD_REQUEST")
