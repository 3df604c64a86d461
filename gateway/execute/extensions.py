"""Extensions of subgraphs' responses: those on the allow-list go on to the client, merged.

Where several fetches bring the same key, objects are merged and otherwise the first fetch of the plan wins:
the answer does not depend on which reply came first.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.core.envelope import encode_json


def merge_extensions(found: Mapping[int, Any], allowed: Iterable[str]) -> dict[str, Any]:
    """What fetches brought, by their ids, as one object with the allowed keys."""
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
    """A response's body with the member `extensions` added at its end, unless there are none."""
    return b'%b,"extensions":%b}' % (body[:-1], encode_json(extensions)) if extensions else body
