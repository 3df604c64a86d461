"""Reads the body of an HTTP request for a service's endpoint: one GraphQL request as JSON, within limits."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import orjson

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

BODY_LIMIT: Final = 1_000_000  # bytes


class Refused(Exception):
    """A request that is not executed, with the status and the message for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def read_json_request(headers: dict[str, str], receive: Receive) -> dict[str, Any]:
    """Return the GraphQL request in the body of an HTTP request. Raises Refused."""
    _check_media_type(headers)
    check_length(headers.get("content-length"), BODY_LIMIT)
    body = await _body(receive)
    try:
        return checked_request(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The body is not JSON: {error}") from None


def _check_media_type(headers: dict[str, str]) -> None:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refused(415, f"The content type must be application/json, got {media_type or 'none'}")


def check_length(length: str | None, most: int) -> None:
    """Raise Refused if the header `content-length` says that a body has more than `most` bytes."""
    if length and length.isdigit() and int(length) > most:
        raise Refused(413, f"The body must have at most {most} bytes, got {length}")


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The client disconnected before the end of the body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT:
            raise Refused(413, f"The body must have at most {BODY_LIMIT} bytes, got at least {size}")
        if not message.get("more_body"):
            return b"".join(parts)


def checked_request(request: Any) -> dict[str, Any]:
    """Return a decoded GraphQL request if its fields have the right types. Raises Refused."""
    if not isinstance(request, dict) or not isinstance(request.get("query"), str):
        raise Refused(400, "The body must be an object with a string 'query'")
    if not isinstance(request.get("variables"), dict | None):
        raise Refused(400, "'variables' must be an object or null")
    if not isinstance(request.get("operationName"), str | None):
        raise Refused(400, "'operationName' must be a string or null")
    return request
