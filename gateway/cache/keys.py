"""Keys of entries, and the tags by which they are invalidated.

Keys in memory are the bytes of a representation as the plan has written them. Keys in Redis are digests of
canonical JSON, whose parts are prefixed by their lengths, so that two different requests never share one.

Tags are texts:

- `subgraph:users`: all entries of a subgraph. `type:users:User`: those whose request selects a type.
- `entity:User:{"id":"1"}`: one entity, by a key as canonical JSON, in all subgraphs.
- `tag:NAME`: what @cacheTag, the settings, or a reply names.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.core.jsontext import read_json
from gateway.core.marked import encode_special

LONGEST_TAG = 1_024
"""Characters of a tag at most; an entry with a longer one is not stored, since nobody could invalidate it."""
_PLACE = re.compile(r"\{\$(key|args)\.([A-Za-z_][A-Za-z0-9_.]*)\}")
_encode = msgspec.json.Encoder(enc_hook=encode_special, order="sorted").encode


def canonical(value: Any) -> bytes:
    """Return a decoded JSON value as JSON with sorted keys. Raises TypeError if JSON can't represent it."""
    try:
        return _encode(value)
    except (RecursionError, ValueError, OverflowError) as error:
        raise TypeError(str(error)) from error


def digest(*parts: bytes) -> bytes:
    """Return a digest of 20 bytes; parts that only concatenate equally have different ones."""
    found = blake2b(digest_size=20)
    for part in parts:
        found.update(b"%d:" % len(part))
        found.update(part)
    return found.digest()


def entry_digest(space: bytes, key: bytes) -> bytes:
    """Return the digest of one entry. `space`: its space's digest. `key`: its representation as JSON."""
    return digest(space, canonical(read_json(key)) if key[:1] == b"{" else key)


def subgraph_tag(subgraph: str) -> str:
    """Return the tag of all entries of a subgraph."""
    return f"subgraph:{subgraph}"


def type_tag(subgraph: str, type_name: str) -> str:
    """Return the tag of the entries of a subgraph whose request selects a type."""
    return f"type:{subgraph}:{type_name}"


def entity_tag(type_name: str, key: Mapping[str, Any]) -> str:
    """Return the tag of one entity. Raises TypeError for a key that JSON can't represent."""
    return f"entity:{type_name}:{canonical(key).decode()}"


def custom_tag(name: str) -> str:
    """Return the tag for a name."""
    return f"tag:{name}"


def expand_tag(template: str, key: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Return the tag for a template of @cacheTag; None if a value is no scalar.

    Example: `user-{$key.id}` with the key `{"id": "1"}` gives `tag:user-1`.
    """
    found = expand(template, key, arguments)
    return None if found is None else custom_tag(found)


def expand(template: str, key: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Return a template with its values; None if a value is no scalar, or the text is too long.

    A null, or a missing value, is the empty text. In the tag of an entity texts are escaped as in JSON.
    """
    is_json = template.startswith("entity:")
    bad = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal bad
        found: Any = key if match[1] == "key" else arguments
        for step in match[2].split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        if isinstance(found, dict | list):
            bad = True
        if found is None:
            return ""
        if isinstance(found, str) and not is_json:
            return found
        text = canonical(found).decode()
        return text[1:-1] if isinstance(found, str) else text

    text = _PLACE.sub(value_of, template)
    return None if bad or len(text) > LONGEST_TAG else text
