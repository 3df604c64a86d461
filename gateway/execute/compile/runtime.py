"""The functions and types that the generated source of a plan uses."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.core.jsontext import read_json
from gateway.execute.entities import value_key

encode = msgspec.json.Encoder().encode  # must write values as `core.envelope.encode_json` does
NULL = Raw(b"null")


class NeedsExactPath(Exception):
    """Raised when only the exact path can produce the response; see `execute.compile`."""


class RunState:
    """The state of one run. The generated source names its attributes, which are None until they are set.

    `data_F`: the reply's data of fetch F. `firsts_N`: the objects of node N, without those whose
    representation fields equal an earlier object's. `has_null`: whether a reply with values that are not
    decoded contains a null.
    """

    has_null = False

    def __getattr__(self, name: str) -> None:
        return None


class _Typed(Struct):
    typename: str = msgspec.field(name="__typename")


_typed = msgspec.json.Decoder(_Typed).decode


def hashable(value: Any) -> Any:
    """Return a value for a dictionary's key: of raw JSON the value's own key, else the value itself."""
    return value_key(read_json(bytes(value))) if value.__class__ is Raw else value


def by_type(raw: Raw | None, decoders: Mapping[str, Callable[[Raw], Any]], null: bool) -> Any:
    """Decode an object of an abstract type with the decoder of its run-time type.

    `decoders`: by object type. `null`: whether null is allowed. Raises NeedsExactPath for a forbidden null,
    and for a type without a decoder.
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
    """Return the entity at the index `place` of a reply, decoded once and cached in `found`; None for
    null.
    """
    if place not in found:
        raw = raws[place]
        found[place] = None if raw == NULL else decoder(raw)
    return found[place]


def decoded_text(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """Decode a body that must be UTF-8 throughout. Raises UnicodeDecodeError, and what `decode` raises."""
    if not body.isascii():
        body.decode()
    return decode(body)
