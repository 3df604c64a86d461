"""The limits on one request."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from gateway.settings.units import Bytes, Count, Seconds


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """Files that clients upload with an operation (GraphQL multipart request specification). Off by default.

    A file goes on to its subgraph while it arrives; what the subgraph has not read yet is in a temporary
    file. Requests with files have connections of their own to the subgraphs.
    """

    enabled: Annotated[bool, Meta(description="Whether requests may have files.")] = False
    files: Annotated[Count, Meta(description="Files of one request.")] = 10
    size: Annotated[Bytes, Meta(description="Bytes of one file.")] = 10_000_000
    at_once: Annotated[
        Count, Meta(description="Requests with files that one process receives at the same time.")
    ] = 50
    slowest: Annotated[
        Bytes, Meta(description="Bytes per second that a client must send; a slower one is cut off.")
    ] = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one request, checked before the expensive stages. "Expanded": with fragments expanded."""

    body: Annotated[Bytes, Meta(description="Bytes of the request body, also after decompression.")] = (
        1_000_000
    )
    batch: Annotated[
        Count,
        Meta(description="Operations of one request, as a list of requests; 1: no lists."),
    ] = 1
    tokens: Annotated[Count, Meta(description="Lexer tokens of the document.")] = 15_000
    depth: Annotated[Count, Meta(description="Nested selection sets, expanded.")] = 50
    height: Annotated[Count, Meta(description="Different fields of the response, expanded.")] = 10_000
    breadth: Annotated[Count, Meta(description="Fields of one selection set, expanded.")] = 1_000
    root_fields: Annotated[Count, Meta(description="Fields of the operation itself, expanded.")] = 100
    aliases: Annotated[Count, Meta(description="Aliases of an operation, expanded.")] = 300
    directives: Annotated[Count, Meta(description="Directives of an operation, expanded.")] = 500
    fragments: Annotated[Count, Meta(description="Fragment definitions of the document.")] = 500
    selections: Annotated[Count, Meta(description="Fields, expanded; each repetition counts.")] = 20_000
    introspection: Annotated[Count, Meta(description="Fields inside `__schema` and `__type`, expanded.")] = (
        500
    )
    arguments: Annotated[Count, Meta(description="Characters of all arguments and directives, expanded.")] = (
        1_000_000
    )
    validation_errors: Annotated[Count, Meta(description="Errors that are reported at once.")] = 20
    validation_time: Annotated[Seconds, Meta(description="Time that validation may need.")] = 5.0
    paths: Annotated[Count, Meta(description="Options that planning may consider.")] = 200_000
