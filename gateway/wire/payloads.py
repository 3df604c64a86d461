"""GraphQL responses in the messages of streams: found and checked, but never encoded again."""

from typing import Any

import msgspec

from gateway.core.jsontext import NotJson, read_json, why_not_json
from gateway.wire.stream_error import StreamError

_NOTHING = msgspec.Raw()


class _Response(msgspec.Struct):
    """An object, whatever its members are."""


class _Error(msgspec.Struct):
    """An entry of `errors`."""

    message: str


class _Errors(msgspec.Struct):
    """What some servers of the legacy protocol send instead of an error."""

    errors: msgspec.Raw


class Part(msgspec.Struct):
    """A message of Apollo's multipart protocol. `payload`, `errors`: as JSON; empty if missing."""

    payload: msgspec.Raw = _NOTHING
    errors: msgspec.Raw = _NOTHING


_read_response = msgspec.json.Decoder(_Response).decode
_read_errors = msgspec.json.Decoder(list[_Error]).decode
_read_nested = msgspec.json.Decoder(_Errors).decode
_read_part = msgspec.json.Decoder(Part).decode


def not_json(text: bytes, error: Exception, expected: str) -> StreamError:
    """Return the error for a text that can't be decoded.

    `error`: of msgspec. `expected`: the text, in words.
    """
    if isinstance(error, msgspec.ValidationError):
        words = str(error)
        return StreamError(f"expected {expected}: {words[:1].lower()}{words[1:200]}")
    return StreamError(f"expected {expected}, got a text that is not JSON: {why_not_json(text, error)}")


def check_response(text: bytes) -> None:
    """Raise StreamError unless a text is a JSON object in UTF-8."""
    try:
        _read_response(text)
        text.decode()
    except (ValueError, RecursionError) as error:  # all errors of msgspec are ValueErrors
        raise not_json(text, error, "a GraphQL response") from error


def read_part(text: bytes) -> Part:
    """Return a message of Apollo's multipart protocol. Raises StreamError."""
    try:
        part = _read_part(text)
        text.decode()
    except (ValueError, RecursionError) as error:
        raise not_json(text, error, "an object with a payload") from error
    return part


def errors_body(payload: bytes) -> bytes:
    """Return the body of a GraphQL response with the errors of an `error` message.

    `payload`: a list of errors, or as in the legacy protocol one error, or an object with `errors`. Raises
    StreamError if there is no error in it.
    """
    try:
        if payload[:1] == b"{":
            payload = _nested(payload) or b"[%b]" % payload
        if not _read_errors(payload):
            raise StreamError("expected at least one GraphQL error, got none")
    except (ValueError, RecursionError) as error:
        raise not_json(payload, error, "GraphQL errors") from error
    return b'{"errors":%b}' % payload


def read_errors(payload: bytes) -> list[dict[str, Any]]:
    """Return a list of GraphQL errors, at least one. Raises StreamError."""
    errors_body(payload)
    try:
        found: list[dict[str, Any]] = read_json(payload)
    except NotJson as error:
        raise StreamError(f"expected GraphQL errors, got a text that is not JSON: {error}") from error
    return found


def _nested(payload: bytes) -> bytes | None:
    """Return the list in an object with `errors`; None for another object."""
    try:
        return bytes(_read_nested(payload).errors)
    except msgspec.ValidationError:
        return None
