"""Passes the `extensions` of subgraphs' replies on to the client, for the keys that the settings allow.

If several replies have the same key, objects are merged; otherwise the value of the fetch with the lowest id
is used. So the response does not depend on the order in which replies arrive.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.core.jsontext import encode_json


def merge_extensions(found: Mapping[int, Any], allowed: Iterable[str]) -> dict[str, Any]:
    """Return one object with the allowed keys of all extensions. `found`: the extensions by fetch id."""
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
    """Return a response body with the member `extensions` added at the end; unchanged if there are none."""
    return b'%b,"extensions":%b}' % (body[:-1], encode_json(extensions)) if extensions else body
