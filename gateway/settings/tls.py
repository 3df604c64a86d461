"""The settings of TLS: the gateway's own certificate, and what it trusts and presents to subgraphs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from gateway.settings.units import File, Secret


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS of the gateway itself, version 1.2 or newer."""

    certificate: Annotated[File, Meta(description="A file with its certificate and those of its issuers.")]
    key: Annotated[File, Meta(description="A file with the private key of the certificate.")]
    password: Annotated[Secret | None, Meta(description="The password of the private key.")] = None
    client_ca: Annotated[
        File | None,
        Meta(description="CA certificates; clients then need a certificate of one of them (mutual TLS)."),
    ] = None


@dataclass(frozen=True, slots=True)
class SubgraphTls:
    """TLS of the connections to one subgraph, instead of what `connections` says for all."""

    ca: Annotated[
        File | None, Meta(description="A file of CA certificates; no others are trusted, nor the system's.")
    ] = None
    certificate: Annotated[File | None, Meta(description="A file with the gateway's certificate for it.")] = (
        None
    )
    key: Annotated[File | None, Meta(description="A file with the private key of the certificate.")] = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for a certificate without its key, or a key alone."""
        yield from incomplete_pair(self.certificate, self.key)


def incomplete_pair(certificate: str | None, key: str | None) -> Iterator[tuple[str, str]]:
    """Yield (field, message) for a certificate without its key, or a key alone."""
    if (certificate is None) != (key is None):
        yield "certificate" if key is None else "key", "expected `certificate` and `key` together"
