"""The response envelope: what a request's answer consists of, whichever door it leaves by."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from gateway.core.errors import RequestError
from gateway.core.numbers import written

BY_CODE = 0
"""In place of an HTTP status: the codes of the errors decide (`http/statuses`)."""
Response = bytes | Mapping[str, Any] | AsyncIterator[bytes]
_encode = msgspec.json.Encoder(enc_hook=written).encode


def encode_json(value: Any) -> bytes:
    """A value as JSON. Raises TypeError for what JSON can't hold.

    Nesting hundreds of levels deep, half a surrogate pair.
    """
    try:
        return _encode(value)
    except (RecursionError, ValueError, OverflowError) as error:
        raise TypeError(str(error)) from error


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long and for whom an answer may be kept (RFC 9111).

    `lifetime`: seconds, None where nobody has said. `private`: it is for one user alone. `tags`: names by
    which it can be invalidated.
    """

    lifetime: float | None = None
    private: bool = False
    tags: frozenset[str] = frozenset()


UNSAID = CachePolicy()
PRIVATE = CachePolicy(private=True)


class Envelope(NamedTuple):
    """An answer: a GraphQL response, as an object or already as a body, or a stream of parts.

    `refused` is None for a request that was run, else its HTTP status, or BY_CODE. `headers` are added to
    those of the reply; a stream's `media` is its media type. (A named tuple costs a third of a frozen
    dataclass, for every answer.)
    """

    response: Response
    refused: int | None = None
    cache: CachePolicy = UNSAID
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media: str | None = None

    def with_headers(self, *headers: tuple[bytes, bytes]) -> "Envelope":
        """The same with more headers, each a lower-case name and a value."""
        return self._replace(headers=(*self.headers, *headers))

    def shared(self) -> "Envelope":
        """The same for several takers: the body is written once. Left as it is where JSON can't hold it."""
        if not isinstance(self.response, Mapping):
            return self
        try:
            return self._replace(response=encode_json(self.response))
        except TypeError:
            return self


def error_envelope(error: RequestError) -> Envelope:
    """The answer to a request that is not run; each error says what to do next."""
    formatted = []
    for one in error.errors:
        entry = one.formatted()
        entry["extensions"]["nextStep"] = one.next_step
        formatted.append(entry)
    return Envelope({"errors": formatted}, BY_CODE if error.status is None else error.status)
