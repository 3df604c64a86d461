"""The settings of headers: those that subgraphs receive, and those of their replies that clients receive."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import HeaderName, Secret

CONNECTION_HEADERS = frozenset(
    {
        "connection", "content-encoding", "content-length", "http2-settings", "keep-alive",
        "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "trailers",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers of one connection or of the bytes on it (RFC 9110, 7.6.1)."""

NOT_FOR_SUBGRAPHS = CONNECTION_HEADERS | {
    "accept", "accept-encoding", "content-digest", "content-type", "expect", "host", "set-cookie",
    "signature", "signature-input",
}  # fmt: skip
"""Headers that the gateway itself sets, or that are no request headers."""

NOT_FOR_CLIENTS = CONNECTION_HEADERS | {
    "access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods",
    "access-control-allow-origin", "access-control-expose-headers", "access-control-max-age", "allow",
    "content-type", "date", "host",
}  # fmt: skip
"""Response headers that only the gateway may set."""

TRACING_HEADERS = frozenset({"traceparent", "tracestate", "x-request-id"})
"""Headers that only trace a request: requests that differ in nothing else share subgraph requests."""

RESERVED = "is not for rules: the gateway sets it, or it belongs to one connection"
_TEXT = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_NOT_TEXT = "expected a text without line breaks and control characters, in ISO-8859-1"


@dataclass(frozen=True, slots=True)
class RequestHeaderRule:
    """A rule for the headers that subgraphs receive: `propagate`, `insert` or `remove`."""

    propagate: Annotated[
        HeaderName | None, Meta(description="A client's header to send; a `*` stands for any characters.")
    ] = None
    rename: Annotated[HeaderName | None, Meta(description="Its name in the subgraph request.")] = None
    default: Annotated[
        str | None, Meta(description="Its value if the client does not send it; by default it is not sent.")
    ] = None
    insert: Annotated[HeaderName | None, Meta(description="A header to set, whatever the client sends.")] = (
        None
    )
    value: Annotated[Secret | None, Meta(description="The value of the inserted header.")] = None
    remove: Annotated[
        HeaderName | None,
        Meta(description="A header not to send, though an earlier rule or `forward` has; with `*` as above."),
    ] = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for a rule that says too little or too much, or names a forbidden header."""
        kinds = [name for name in ("propagate", "insert", "remove") if getattr(self, name) is not None]
        if len(kinds) != 1:
            yield (kinds or ["propagate"])[-1], "expected one of `propagate`, `insert` and `remove`"
            return
        yield from self._misplaced(kinds[0])
        for field in ("propagate", "rename", "insert"):
            name = getattr(self, field)
            if name in NOT_FOR_SUBGRAPHS:
                yield field, f"the header {name} {RESERVED}"
        for field, text in (("default", self.default), ("value", self.value.value if self.value else None)):
            if text is not None and _TEXT.fullmatch(text) is None:
                yield field, _NOT_TEXT

    def _misplaced(self, kind: str) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that a rule of this kind can't have, or lacks."""
        name: str = getattr(self, kind)
        stars = name.count("*")
        if stars > (kind != "insert"):
            yield kind, f"expected {'no' if kind == 'insert' else 'at most one'} `*`, got {name}"
        for field in ("rename", "default"):
            if getattr(self, field) is not None and (kind != "propagate" or stars):
                yield field, "only a rule that propagates one header can have it"
        if (self.value is None) == (kind == "insert"):
            yield "insert" if kind == "insert" else "value", "expected `insert` and `value` together"
        if self.rename is not None and ("*" in self.rename or self.rename in TRACING_HEADERS):
            yield (
                "rename",
                f"{self.rename} can't be a new name: equal requests with other values of it are shared",
            )


@dataclass(frozen=True, slots=True)
class ResponseHeaderRule:
    """A rule for a header of replies that clients receive. Replies are in the order of the plan."""

    propagate: Annotated[HeaderName, Meta(description="The header of the replies.")]
    rename: Annotated[HeaderName | None, Meta(description="Its name in the response.")] = None
    merge: Annotated[
        Literal["first", "last", "append", "min", "max", "cache-control"],
        Meta(
            description="The value for clients if several replies have one: the `first`, the `last`,"
            " all with commas (`append`), the smallest or greatest number, or the most restrictive"
            " `cache-control`. Each `set-cookie` is sent, whatever this is."
        ),
    ] = "first"
    default: Annotated[str | None, Meta(description="The value of a reply that lacks the header.")] = None
    value: Annotated[
        str | None, Meta(description="The value of each reply, whatever the subgraph has sent.")
    ] = None

    @property
    def target(self) -> str:
        """Return the name of the header in the response."""
        return self.rename or self.propagate

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for headers that clients must not receive from subgraphs."""
        for field, name in (("propagate", self.propagate), ("rename", self.rename or "")):
            if "*" in name:
                yield field, f"expected the name of one header, got {name}"
            if name in NOT_FOR_CLIENTS:
                yield field, f"the header {name} {RESERVED}"
        if (self.propagate == "set-cookie") != (self.target == "set-cookie"):
            yield "rename", "set-cookie can't be renamed, and no other header can become one"
        for field, text in (("default", self.default), ("value", self.value)):
            if text is not None and self.propagate == "set-cookie":
                yield field, "no rule can set cookies"
            elif text is not None and _TEXT.fullmatch(text) is None:
                yield field, _NOT_TEXT
        if self.default is not None and self.value is not None:
            yield "default", "a rule with `value` has no use for `default`"


@dataclass(frozen=True, slots=True)
class SubgraphHeaderRules:
    """Rules for one subgraph, applied after those for all."""

    request: Annotated[
        tuple[RequestHeaderRule, ...], Meta(description="Rules for the headers that it receives, in order.")
    ] = ()
    response: Annotated[
        tuple[ResponseHeaderRule, ...], Meta(description="Rules for the headers of its replies.")
    ] = ()


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """The headers that subgraphs receive from clients, and clients from subgraphs; no others pass.

    `x-forwarded-for` is the address of the gateway's peer, set by the gateway.
    """

    forward: Annotated[
        tuple[HeaderName, ...], Meta(description="Client headers to forward to subgraphs; no others are.")
    ] = (
        "authorization",
        "accept-language",
        "x-forwarded-for",
        "x-request-id",
        "traceparent",
        "tracestate",
    )
    request: Annotated[
        tuple[RequestHeaderRule, ...],
        Meta(description="Rules for the headers that subgraphs receive, in order, after `forward`."),
    ] = ()
    response: Annotated[
        tuple[ResponseHeaderRule, ...],
        Meta(description="Rules for headers of replies that clients receive; no others are passed on."),
    ] = ()

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for forwarded headers that are not for subgraphs."""
        for name in sorted(NOT_FOR_SUBGRAPHS & set(self.forward)):
            yield "forward", f"the header {name} {RESERVED}"
