"""The settings of subgraphs: their URLs, what is particular to each, and the connections to them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from gateway.settings.errors import ErrorMode
from gateway.settings.headers import SubgraphHeaderRules
from gateway.settings.signing import SigningSettings
from gateway.settings.subscriptions import SubgraphSubscriptions
from gateway.settings.tls import SubgraphTls, incomplete_pair
from gateway.settings.units import Bytes, Count, File, Seconds, Url


@dataclass(frozen=True, slots=True)
class SubgraphSettings:
    """The settings of one subgraph."""

    url: Annotated[Url | None, Meta(description="Its URL, instead of the one in the supergraph.")] = None
    tls: SubgraphTls = field(default_factory=SubgraphTls)
    signing: Annotated[
        SigningSettings | None, Meta(description="How its requests are signed, instead of `signing`.")
    ] = None
    headers: SubgraphHeaderRules = field(default_factory=SubgraphHeaderRules)
    subscriptions: SubgraphSubscriptions = field(default_factory=SubgraphSubscriptions)
    errors: Annotated[
        ErrorMode | None, Meta(description="What clients learn about its errors, instead of `errors.mode`.")
    ] = None


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
    certificate: Annotated[
        File | None, Meta(description="A file with the gateway's certificate, for subgraphs that ask for it.")
    ] = None
    key: Annotated[File | None, Meta(description="A file with the private key of the certificate.")] = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for a certificate without its key, or a key alone."""
        yield from incomplete_pair(self.certificate, self.key)
