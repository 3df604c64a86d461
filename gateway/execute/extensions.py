"""Extensions of subgraphs' responses: those with an allowed key are merged into the client's response.

Where several fetches return the same key, objects are merged, and of other values that of the fetch with the
lowest id is used: the response does not depend on the order of the replies.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.core.envelope import encode_json


def merge_extensions(found: Mapping[int, Any], allowed: Iterable[str]) -> dict[str, Any]:
    """The extensions of the replies, by fetch id, as one object with the allowed keys."""
    names = frozenset(allowed)
    merged: dict[str, Any] = {}
    for number in sorted(found):
        given = found[number]
        if isinstance(given, dict):
            _add(merged, {name: value for name, value in given.items() if name in names})
    return merged


def _add(merged: dict[str, Any], given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        known = merged.get(name)
        if name not in merged:
            merged[name] = dict(value) if isinstance(value, dict) else value
        elif isinstance(known, dict) and isinstance(value, dict):
            _add(known, value)


def with_extensions(body: bytes, extensions: Mapping[str, Any]) -> bytes:
    """A response's body with the member `extensions` added at the end, if there are any."""
    return b'%b,"extensions":%b}' % (body[:-1], encode_json(extensions)) if extensions else body
