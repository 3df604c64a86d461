"""Types of values with their ranges and units, and the type of secrets."""

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1, extra={"unit": "bytes"})]
Seconds = Annotated[float, Meta(gt=0, extra={"unit": "seconds"})]
File = Annotated[str, Meta(min_length=1, extra={"unit": "file"})]
Url = Annotated[str, Meta(pattern="^https?://[^/]+")]
Port = Annotated[int, Meta(ge=1, le=65_535)]
HeaderName = Annotated[str, Meta(pattern="^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", extra={"unit": "header"})]
Method = Annotated[str, Meta(pattern="^[A-Z]{1,20}$")]


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that must not be shown: it is not in the `repr` of the settings, and in no error message."""

    value: str = field(repr=False)
