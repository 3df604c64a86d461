"""Events as values: an entry of a Redis stream becomes a dictionary, and paths find values in it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gateway.core.jsontext import NotJson, read_json

Event = Mapping[str, Any]


def read_entry(fields: Sequence[bytes], json_fields: Collection[str]) -> Event | None:
    """Return the event in an entry: its fields as texts, those of `json_fields` as JSON.

    `fields`: names and values in turn. None for an entry that can't be read.
    """
    found: dict[str, Any] = {}
    try:
        for name, value in zip(fields[::2], fields[1::2], strict=True):
            key = name.decode()
            found[key] = read_json(value) if key in json_fields else value.decode()
    except (UnicodeDecodeError, NotJson, ValueError):
        return None
    return found


def read_message(text: bytes) -> Event | None:
    """Return the event in a message of a channel: a JSON object; None for another one."""
    try:
        found = read_json(text)
    except NotJson:
        return None
    return found if isinstance(found, dict) else None


def at_path(value: Any, path: Sequence[str]) -> Any:
    """Return the value at a path of keys; None if it is missing."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
