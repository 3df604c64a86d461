"""The settings of subgraphs: their URLs, the connections to them, and the headers that they receive."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from gateway.settings.units import Bytes, Count, File, HeaderName, Seconds, Url


@dataclass(frozen=True, slots=True)
class SubgraphSettings:
    """The settings of one subgraph."""

    url: Annotated[Url | None, Meta(description="Its URL, instead of the one in the supergraph.")] = None


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """The client headers that are forwarded to subgraphs; no others are.

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


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """The connections to subgraphs."""

    connections: Annotated[Count, Meta(description="The maximum number of connections to one server.")] = 100
    queue: Annotated[Count, Meta(description="Requests to one server that may wait for a connection.")] = (
        10_000
    )
    max_reply: Annotated[Bytes, Meta(description="Bytes of a reply, also after decompression.")] = 50_000_000
    connect_timeout: Annotated[Seconds, Meta(description="Timeout for opening a connection.")] = 5.0
    first_byte_timeout: Annotated[
        Seconds | None, Meta(description="Timeout for the first byte of a reply; by default `timeout`.")
    ] = None
    compressed: Annotated[bool, Meta(description="Accept gzip-compressed replies.")] = False
    ca: Annotated[
        File | None, Meta(description="A file of CA certificates, in addition to the system's.")
    ] = None
