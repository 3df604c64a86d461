"""The limits on one request."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from gateway.settings.units import Bytes, Count


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one request, checked before the expensive stages."""

    body: Annotated[
        Bytes,
        Meta(
            description="Bytes of the request body, also after decompression; and characters of all arguments"
            " after fragments are expanded."
        ),
    ] = 1_000_000
    tokens: Annotated[Count, Meta(description="Lexer tokens of the document.")] = 15_000
    depth: Annotated[Count, Meta(description="Nested selection sets, those in fragments included.")] = 50
    selections: Annotated[Count, Meta(description="Fields after fragments are expanded.")] = 20_000
    introspection: Annotated[
        Count, Meta(description="Fields inside `__schema` and `__type`, after fragments are expanded.")
    ] = 500
    aliases: Annotated[Count, Meta(description="Fields of one selection set.")] = 1_000
    paths: Annotated[Count, Meta(description="Options that planning may consider.")] = 200_000
    validation_errors: Annotated[Count, Meta(description="Errors that are reported at once.")] = 20
