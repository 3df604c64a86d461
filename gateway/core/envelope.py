"""The response envelope: a response before a door writes it, independent of the protocol.

`http/respond` writes it as HTTP; plugins may replace it.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.core.errors import RequestError
from gateway.core.jsontext import encode_json
from gateway.core.streams import ResponseStream

BY_CODE = 0
"""The value of `refused` when the error codes determine the HTTP status (`http/statuses`)."""
Response = bytes | Mapping[str, Any] | AsyncIterator[bytes] | ResponseStream


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long and for whom a response may be cached (RFC 9111).

    `lifetime`: seconds, None if unknown. `private`: for one user only. `tags`: names for invalidation.
    `parts`: the cached values (`cache.memory.Entry`) of which it was made; () if any part is not cached.
    """

    lifetime: float | None = None
    private: bool = False
    tags: frozenset[str] = frozenset()
    parts: tuple[Any, ...] = ()


NO_CACHE_POLICY = CachePolicy()
PRIVATE = CachePolicy(private=True)


class Envelope(NamedTuple):
    """A response: a GraphQL response as an object or as an encoded body, or a stream.

    - `refused`: None for a request that was executed; else its HTTP status, or BY_CODE if the code of its
      error decides the status (`http/statuses`).
    - `headers`: added to those of the HTTP response. `media`: the media type of a stream.

    It is a named tuple because a frozen dataclass costs three times as much, for every response.
    """

    response: Response
    refused: int | None = None
    cache: CachePolicy = NO_CACHE_POLICY
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media: str | None = None

    def with_headers(self, *headers: tuple[bytes, bytes]) -> "Envelope":
        """Return the envelope with further headers, each a lower-case name and a value."""
        return self._replace(headers=(*self.headers, *headers))

    def shared(self) -> "Envelope":
        """Return the envelope with an encoded body, so that it can be sent several times.

        An envelope with a stream, or with a response that JSON can't represent, is returned unchanged.
        """
        if not isinstance(self.response, Mapping):
            return self
        try:
            return self._replace(response=encode_json(self.response))
        except TypeError:
            return self


def encoded_body(envelope: Envelope) -> bytes:
    """Return the body of an envelope.

    A response that JSON can't represent (nested hundreds of levels deep, say) is replaced by an error. Raises
    ValueError for a stream, which has no body.
    """
    response = envelope.response
    if isinstance(response, bytes):
        return response
    if not isinstance(response, Mapping):
        raise ValueError("a stream has parts, not a body")
    try:
        return encode_json(response)
    except TypeError as error:
        message = f"a subgraph returned a value that can't be encoded as JSON: {error}"
        extensions = {"code": "SUBGRAPH_WRONG_VALUE"}
        return encode_json({"errors": [{"message": message, "extensions": extensions}], "data": None})


def error_envelope(error: RequestError) -> Envelope:
    """Return the response to a request that is not executed; each error has a next step."""
    formatted = []
    for one in error.errors:
        entry = one.formatted()
        entry["extensions"]["nextStep"] = one.next_step
        formatted.append(entry)
    refused = BY_CODE if error.status is None else error.status
    return Envelope({"errors": formatted}, refused, headers=error.headers)
