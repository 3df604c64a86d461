"""Responses that are streams of parts: the results of a subscription.

A door attaches a sink to the stream, and receives each part by a call. So neither a task nor a generator is
needed for each of many idle subscribers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.core.jsontext import encode_json


class StreamPart:
    """One part of a stream, the same object for all its receivers.

    - `body`: a GraphQL response as JSON.
    - `cursor`: the position of a durable source after this part; None if its source has none.
    - `written`: what doors have made of the body, so that it is made once for many receivers.
    """

    __slots__ = ("body", "cursor", "written")

    def __init__(self, body: bytes, cursor: str | None = None) -> None:
        self.body = body
        self.cursor = cursor
        self.written: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"StreamPart({self.body!r}, {self.cursor!r})"


class StreamEnd:
    """The end of a stream. `errors`: entries of a GraphQL response; () for a source that has completed.

    `is_temporary`: whether clients should subscribe again, since only this process ends.
    """

    __slots__ = ("errors", "is_temporary")

    def __init__(self, errors: Sequence[Mapping[str, Any]] = (), *, is_temporary: bool = False) -> None:
        self.errors = tuple(errors)
        self.is_temporary = is_temporary

    @property
    def body(self) -> bytes:
        """Return the errors as the body of a GraphQL response."""
        return encode_json({"errors": self.errors})

    def __repr__(self) -> str:
        return f"StreamEnd({self.errors!r})"


COMPLETED = StreamEnd()
SERVER_CLOSED = "SUBSCRIPTION_SERVER_CLOSED"
"""The code of the only error that ends a stream for a moment: the client should subscribe again."""


def end_with(errors: Sequence[Mapping[str, Any]]) -> StreamEnd:
    """Return the end of a stream that these errors end, or that could not begin for them.

    It is temporary if all of them say that only this process ends.
    """
    codes = {error.get("extensions", {}).get("code") for error in errors}
    return StreamEnd(errors, is_temporary=codes == {SERVER_CLOSED})


class PartSink(Protocol):
    """Receives the parts of a stream."""

    def part(self, part: StreamPart) -> None:
        """Receive the next part."""
        ...

    def ended(self, end: StreamEnd) -> None:
        """Receive the end of the stream; nothing follows."""
        ...


class Subscribed(Protocol):
    """A sink that is attached to a stream."""

    def cancel(self) -> object:
        """Detach the sink: it receives nothing more. The last one ends the stream at its source."""
        ...

    def renew(self, context: Any) -> object:
        """Go on with the identity of another request context, if its token is valid."""
        ...


class ResponseStream(Protocol):
    """A stream that begins when a sink is attached."""

    def attach(self, sink: PartSink) -> Subscribed:
        """Begin. Nothing is passed to the sink before this method returns.

        Raises RequestError if the stream can't begin.
        """
        ...


class _Body(msgspec.Struct):
    extensions: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_extensions_of = msgspec.json.Decoder(_Body).decode
_members_of = msgspec.json.Decoder(dict[str, Any]).decode


def with_notice(body: bytes, notice: Mapping[str, Any]) -> bytes:
    """Return a response body with the members of a notice in `extensions.subscription`.

    The body is an object with members, as the gateway writes it: its extensions, if any, are the last member.
    """
    if not notice:
        return body
    found = _extensions_of(body).extensions
    if isinstance(found, msgspec.UnsetType):
        return b'%b,"extensions":{"subscription":%b}}' % (body[:-1], encode_json(notice))
    inner = bytes(found)
    members = _members_of(inner)
    members["subscription"] = {**members.get("subscription", {}), **notice}
    return b"%b%b}" % (body[: body.rindex(inner)], encode_json(members))
