"""Finds the objects of a part in data, and removes the hidden fields by which they were found."""

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.incremental.formats import Path
from gateway.plan.nodes import Selection
from gateway.request.split import HIDDEN, HIDDEN_TYPE

TYPENAME = "__typename"


def objects_at(value: Any, path: Sequence[str], at: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each object at a path of response keys, with its place; lists on the way have an index each."""
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from objects_at(element, path, (*at, index))
    elif isinstance(value, dict):
        if not path:
            yield at, value
        elif path[0] in value:
            yield from objects_at(value[path[0]], path[1:], (*at, path[0]))


def lists_at(value: Any, path: Sequence[str], at: Path = ()) -> Iterator[tuple[Path, list[Any]]]:
    """Yield each list at a path of response keys, with its place."""
    if not path:
        if isinstance(value, list):
            yield at, value
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from lists_at(element, path, (*at, index))
    elif isinstance(value, dict) and path[0] in value:
        yield from lists_at(value[path[0]], path[1:], (*at, path[0]))


def representation(item: dict[str, Any], type_name: str, names: Sequence[str]) -> dict[str, Any] | None:
    """Return an object's type and key, from its hidden fields; None if it has none, as for another type."""
    if item.get(HIDDEN_TYPE, type_name) != type_name:
        return None
    key = {name: item.get(HIDDEN + name) for name in names}
    return None if any(value is None for value in key.values()) else {"__typename": type_name, **key}


def selected(selection: Selection | None, item: Any) -> Any:
    """Return a value as a reply to a request with this selection, which may have aliases.

    `item`: an object by the names of its fields, or a list of them.
    """
    if selection is None or item is None:
        return item
    if isinstance(item, list):
        return [selected(selection, element) for element in item]
    found = {TYPENAME: item[TYPENAME]} if TYPENAME in item else {}
    for field in selection.fields:
        found[field.reply_key] = selected(field.below, item.get(field.name))
    for types, inner in selection.fragments:
        if item.get(TYPENAME) in types:
            found.update(selected(inner, item))
    return found


def strip(value: Any) -> None:
    """Remove the hidden fields of all objects in a value."""
    if isinstance(value, list):
        for element in value:
            strip(element)
    elif isinstance(value, dict):
        for key in [one for one in value if one.startswith(HIDDEN)]:
            del value[key]
        for element in value.values():
            strip(element)
