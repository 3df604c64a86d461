"""The settings of what clients learn about errors of subgraphs."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

ErrorMode = Literal["full", "masked"]


@dataclass(frozen=True, slots=True)
class ErrorSettings:
    """What clients receive of errors of subgraphs, and of failed connections to them."""

    mode: Annotated[
        ErrorMode,
        Meta(
            description="`full`: message, extensions and the subgraph's name (`service`). `masked`: a fixed"
            " message, the code, and an id under which the log has the rest."
        ),
    ] = "full"
    message: Annotated[str, Meta(min_length=1, description="The message of a masked error.")] = (
        "a part of the response could not be fetched"
    )
    show_codes: Annotated[
        frozenset[str], Meta(description="Codes of errors whose messages are meant for clients.")
    ] = frozenset()
    extensions: Annotated[
        frozenset[str], Meta(description="Keys of the errors' extensions that masked errors keep.")
    ] = frozenset()
