"""What the source of a plan uses when it runs."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

encode = (
    msgspec.json.Encoder().encode
)  # the encoder of `core.envelope.encode_json`, which the exact path uses
NULL = Raw(b"null")


class NeedsExactPath(Exception):
    """Something that the compiled path leaves to the exact one."""


class RunState:
    """What one run has of its replies; attributes are named by the source: `data_F`, `firsts_N` and so on.

    None: not there yet. `has_null`: a reply with values that pass as they were written has a null somewhere.
    """

    has_null = False

    def __getattr__(self, name: str) -> None:
        return None


class _Typed(Struct):
    typename: str = msgspec.field(name="__typename")


_typed = msgspec.json.Decoder(_Typed).decode


def by_type(raw: Raw | None, decoders: Mapping[str, Callable[[Raw], Any]], null: bool) -> Any:
    """An object of one of several types.

    Raises Unusual for a null that may not be, and for a type that can't stand here.
    """
    if raw is None or raw == NULL:
        if null:
            return None
        raise NeedsExactPath
    decoder = decoders.get(_typed(raw).typename)
    if decoder is None:
        raise NeedsExactPath
    return decoder(raw)


def entity(found: dict[int, Any], raws: list[Raw], place: int, decoder: Callable[[Raw], Any]) -> Any:
    """The entity at a place of a reply, decoded once; None for null."""
    if place not in found:
        raw = raws[place]
        found[place] = None if raw == NULL else decoder(raw)
    return found[place]


def decoded_text(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """What `decode` makes of a body that is all text. Raises UnicodeDecodeError, and as `decode` does."""
    if not body.isascii():
        body.decode()
    return decode(body)
