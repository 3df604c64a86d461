"""Merges the values of a reply into the response data, on the exact path."""

from typing import Any

from gateway.core.failure import Failure
from gateway.execute.entities import Tree
from gateway.plan.nodes import Selection

_LENGTHS = Failure("two subgraphs returned this list with different lengths", "SUBGRAPH_BAD_RESPONSE", "")


def merge(target: Tree, source: Tree) -> None:
    """Merge `source` into `target`: objects by key, lists by position; null never replaces a value.

    New values are added by reference, so objects that are the same entity may share them. That is safe:
    whatever is merged into such a value later comes from the same place of the plan, so it is equal for all
    of them.
    """
    for key, new in source.items():
        old = target.get(key)
        if old is None or isinstance(old, Failure):
            target[key] = new
        elif isinstance(old, dict) and isinstance(new, dict):
            if old is not new:
                merge(old, new)
        elif isinstance(old, list) and isinstance(new, list):
            _merge_lists(target, key, old, new)


def _merge_lists(target: Tree, key: str, old: list[Any], new: list[Any]) -> None:
    if old is new:
        return
    if len(old) != len(new):
        _mark_different_lengths(old, new)
        return
    for index, value in enumerate(new):
        there = old[index]
        if isinstance(there, dict) and isinstance(value, dict):
            if there is not value:
                merge(there, value)
        elif isinstance(there, list) and isinstance(value, list):
            _merge_lists(target, key, there, value)
        elif there is None:
            old[index] = value


def _mark_different_lengths(old: list[Any], new: list[Any]) -> None:
    """Set a failure for the fields of `new` in the items of `old`, because their lengths differ.

    Two subgraphs returned the same list with different lengths, so its items can't be matched.
    """
    keys = dict.fromkeys(key for item in new if isinstance(item, dict) for key in item)
    for item in old:
        if isinstance(item, dict):
            for key in keys:
                item.setdefault(key, _LENGTHS)


def renamed(value: Any, selection: Selection | None) -> Any:
    """Return a reply's value with the keys of the response, which differ where the request uses aliases."""
    if isinstance(value, list):
        return [renamed(item, selection) for item in value]
    if selection is None or not isinstance(value, dict):
        return value
    out: Tree = {}
    _rename_into(out, value, selection)
    return out


def _rename_into(out: Tree, value: Tree, selection: Selection) -> None:
    for item in selection.fields:
        if item.reply_key in value:
            merge(out, {item.key: renamed(value[item.reply_key], item.below)})
    if "__typename" in value:
        out.setdefault("__typename", value["__typename"])
    found = value.get("__typename")
    typename = found if isinstance(found, str) else None
    for types, inner in selection.fragments:
        if typename is None or typename in types:
            _rename_into(out, value, inner)
