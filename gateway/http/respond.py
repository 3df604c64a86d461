"""Writing an answer: body, media type, status (GraphQL over HTTP, section 6.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from gateway.core.errors import GatewayError, RequestError
from gateway.http.negotiate import JSON


@dataclass(frozen=True, slots=True)
class Answer:
    """A GraphQL response, or its body. `refused`: nothing was run, with this HTTP status; None when it was."""

    response: Mapping[str, Any] | bytes
    refused: int | None = None


def refusal(errors: Iterable[GatewayError], status: int = 400) -> Answer:
    """The answer to a request that is not run; each error says what to do next."""
    formatted = []
    for error in errors:
        entry = error.formatted()
        entry["extensions"]["nextStep"] = error.next_step
        formatted.append(entry)
    return Answer({"errors": formatted}, status)


def refused(error: RequestError) -> Answer:
    """The answer to a request with one thing wrong."""
    return refusal([error], error.status)


DOCUMENT_CODES = frozenset(
    {
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "OPERATION_RESOLUTION_FAILURE",
        "BAD_USER_INPUT",
        "TOO_COMPLEX",
        "INTROSPECTION_DISABLED",
    }
)


def status_of(answer: Answer, media: str) -> int:
    """The HTTP status. Clients that accept only application/json get 200 for a well-formed request that GraphQL refuses."""
    if answer.refused is None:
        return 200
    if media == JSON and answer.refused == 400:
        errors = answer.response["errors"] if not isinstance(answer.response, bytes) else ()
        codes = {error["extensions"]["code"] for error in errors}
        if codes <= DOCUMENT_CODES:
            return 200
    return answer.refused


def encode(answer: Answer) -> bytes:
    """The body. A value that JSON can't hold (nested hundreds of levels deep, say) leaves an error in place of the answer."""
    if isinstance(answer.response, bytes):
        return answer.response
    try:
        return orjson.dumps(answer.response, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        message = f"a subgraph gave a value that can't be written as JSON: {error}"
        extensions = {"code": "SUBGRAPH_WRONG_VALUE"}
        return orjson.dumps({"errors": [{"message": message, "extensions": extensions}], "data": None})


@lru_cache(maxsize=8)
def content_type(media: str) -> bytes:
    """The Content-Type header."""
    return f"{media}; charset=utf-8".encode()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP reply: status, body, its media type, and the methods allowed where another was used."""

    status: int
    body: bytes
    media: str
    allow: bytes | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers."""
        found = [
            (b"content-type", content_type(self.media)),
            (b"content-length", b"%d" % len(self.body)),
            (b"vary", b"accept"),
            (b"x-content-type-options", b"nosniff"),
        ]
        return found if self.allow is None else [*found, (b"allow", self.allow)]
