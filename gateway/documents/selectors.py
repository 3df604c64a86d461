"""Finds the document id of a request: in the body, the query string or the path of the URL."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from gateway.core.errors import RequestError
from gateway.request.graphql_request import DocumentReference
from gateway.settings import SelectorSettings

MAX_ID = 1_000  # characters
MAX_PARAMETERS = 20
NO_PARAMETERS: Mapping[str, Sequence[str]] = {}


class RequestParts(NamedTuple):
    """The parts of a request that may have a document id.

    - `payload`: the object in the body; by GET, the first value of each parameter of the query string.
    - `parameters`: the values of each parameter of the query string.
    - `path`: the path of the URL below the endpoint, such as "/docs/1"; "" for the endpoint itself.
    """

    payload: Mapping[str, Any]
    parameters: Mapping[str, Sequence[str]]
    path: str


Selector = Callable[[RequestParts], Any]
"""Returns what a request has at one place, of any type; None if it has nothing there."""


def read_parameters(query_string: bytes) -> Mapping[str, Sequence[str]]:
    """Return the values of each parameter of a query string. Raises RequestError BAD_REQUEST."""
    if not query_string:
        return NO_PARAMETERS
    try:
        text = query_string.decode("ascii")
        return parse_qs(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError as error:
        message = f"expected at most {MAX_PARAMETERS} parameters, in UTF-8"
        raise RequestError(message, "BAD_REQUEST") from error


class DocumentSelectors:
    """The places where a request may have a document id, in order; the first one with an id wins.

    `has_paths`: whether the path of the URL may have it, so that paths below the endpoint belong to it.
    `has_parameters`: whether the query string of a POST may have it.
    """

    def __init__(self, settings: Sequence[SelectorSettings]) -> None:
        self.selectors = tuple(_selector(one) for one in settings)
        self.has_paths = any(one.path is not None for one in settings)
        self.has_parameters = any(one.query_param is not None for one in settings)

    def reference(self, parts: RequestParts) -> DocumentReference | None:
        """Return how a request refers to its document; None if it does not. Raises RequestError."""
        found = self.find(parts)
        extensions = parts.payload.get("extensions")
        persisted = extensions.get("persistedQuery") if isinstance(extensions, Mapping) else None
        return None if found is None and persisted is None else DocumentReference(found, persisted)

    def find(self, parts: RequestParts) -> str | None:
        """Return the document id in these parts of a request; None if there is none.

        Raises RequestError for an id that is too long.
        """
        for select in self.selectors:
            found = select(parts)
            if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
                found = str(found)
            if isinstance(found, str) and found:
                return checked_id(found)
        return None


def checked_id(given: str) -> str:
    """Return a document id. Raises RequestError if it is too long."""
    if len(given) > MAX_ID:
        message = f"expected a document id of at most {MAX_ID:,} characters, got {len(given):,}"
        raise RequestError(message, "PERSISTED_DOCUMENT_EXTRACTION_FAILED")
    return given


def _selector(settings: SelectorSettings) -> Selector:
    if settings.json is not None:
        return _in_payload(settings.json)
    if settings.query_param is not None:
        return _in_query_string(settings.query_param)
    return _in_path(settings.path or "")


def _in_payload(path: str) -> Selector:
    names = path.split(".")

    def select(parts: RequestParts) -> Any:
        found: Any = parts.payload
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    return select


def _in_query_string(name: str) -> Selector:
    def select(parts: RequestParts) -> Any:
        values = parts.parameters.get(name)
        return values[0] if values else None

    return select


def _in_path(pattern: str) -> Selector:
    expected = pattern.split("/")
    position = expected.index(":id")

    def select(parts: RequestParts) -> Any:
        given = parts.path.split("/")
        fits = len(given) == len(expected) and all(
            want == got or (want in ("*", ":id") and got) for want, got in zip(expected, given, strict=True)
        )
        return given[position] if fits else None

    return select
