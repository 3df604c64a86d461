"""The settings of the signatures by which subgraphs know the gateway."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import Secret

SHORTEST_KEY = 32  # characters; a shorter one would be easier to guess than the signature


@dataclass(frozen=True, slots=True)
class SigningSettings:
    """How requests to subgraphs are signed (RFC 9421)."""

    key: Annotated[
        Secret, Meta(description="The secret that gateway and subgraph share, 32 characters or more.")
    ]
    key_id: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9._:/-]{1,100}$",
            description="The name of the key, by which subgraphs find it; a new key gets a new name.",
        ),
    ] = "gateway"
    algorithm: Annotated[Literal["hmac-sha256"], Meta(description="The algorithm of the signatures.")] = (
        "hmac-sha256"
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for a key that is too short."""
        if len(self.key.value) < SHORTEST_KEY:
            yield "key", f"expected at least {SHORTEST_KEY} characters; `openssl rand -base64 48` makes a key"
