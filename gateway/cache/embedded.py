"""Finds the entities that are embedded in a reply, so that an invalidation of one of them also concerns it.

Example: for `{things{id name}}`, where `Thing` has the key `id`, the reply
`{"things":[{"id":"1","name":"A"}]}` has the tag `entity:Thing:{"id":"1"}`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, InlineFragmentNode
from graphql.language import SelectionNode

from gateway.cache.keys import entity_tag
from gateway.federation.field_set import FieldSet, FieldSetField
from gateway.supergraph.model import Key, SubgraphType, Supergraph

MOST_ENTITIES = 100
"""The number of entities whose tags a value has; one with more is invalid with any of their type."""


def entity_tags(type_name: str, values: Mapping[str, Any], keys: Iterable[Key]) -> Iterator[str]:
    """Yield the tag of each key whose fields all have a value.

    `values`: the fields of a representation, or of an entity in a reply.
    """
    for key in keys:
        picked = _picked(key.fields, values)
        if picked:
            yield entity_tag(type_name, picked)


def _picked(fields: FieldSet, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the values of a key's fields; None if one is missing."""
    found: dict[str, Any] = {}
    for item in fields:
        if not isinstance(item, FieldSetField):
            return None
        value = values.get(item.name)
        if value is None:
            return None
        if item.selections:
            value = _picked(item.selections, value) if isinstance(value, dict) else None
            if value is None:
                return None
        found[item.name] = value
    return found


@dataclass(slots=True)
class Finder:
    """Where objects of one selection may be entities.

    `keys`: by type name, the keys. `type_name`: the type of objects without `__typename`; None for an
    abstract one. `below`: by response key, the finders of nested objects. `names`: the response key of each
    field, by its name.
    """

    type_name: str | None
    keys: Mapping[str, tuple[Key, ...]]
    below: dict[str, "Finder"] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def find(self, value: Any, found: dict[str, str]) -> None:
        """Add the tags of the entities in a decoded value to `found`, each with its type."""
        if isinstance(value, list):
            for one in value:
                self.find(one, found)
            return
        if not isinstance(value, dict):
            return
        kind = value.get("__typename", self.type_name)
        if isinstance(kind, str) and (keys := self.keys.get(kind)):
            known = {name: value.get(shown) for name, shown in self.names.items()}
            for tag in entity_tags(kind, known, keys):
                found[tag] = kind
        for name, finder in self.below.items():
            finder.find(value.get(name), found)


def entity_keys(supergraph: Supergraph) -> dict[str, tuple[Key, ...]]:
    """Return the different keys of each entity type in all subgraphs."""
    found: dict[str, dict[Any, Key]] = {}
    for subgraph in supergraph.subgraphs.values():
        for name, kind in subgraph.types.items():
            for key in kind.keys:
                found.setdefault(name, {})[key.fields] = key
    return {name: tuple(several.values()) for name, several in found.items()}


def finders_of(
    types: Mapping[str, SubgraphType],
    keys: Mapping[str, tuple[Key, ...]],
    parent: str,
    selections: Sequence[SelectionNode],
) -> tuple[Finder, ...]:
    """Return what finds the entities in objects of a type: one finder, or none; see `finder_of`."""
    found = finder_of(types, keys, parent, selections)
    return () if found is None else (found,)


def finder_of(
    types: Mapping[str, SubgraphType],
    keys: Mapping[str, tuple[Key, ...]],
    parent: str,
    selections: Sequence[SelectionNode],
) -> Finder | None:
    """Return what finds the entities in objects of a type; None if there can be none.

    `types`: those of the subgraph that replies. `selections`: the fields of the objects in the request.
    """
    kind = types.get(parent)
    is_object = kind is not None and kind.kind == "object"
    possible = {parent} | (set(kind.possible) if kind is not None else set())
    mine = {name: keys[name] for name in possible if name in keys}
    finder = Finder(parent if is_object else None, mine)
    for name, item in _fields(parent, selections):
        owner = types.get(name)
        definition = owner.fields.get(item.name.value) if owner is not None else None
        shown = item.alias.value if item.alias is not None else item.name.value
        if not item.arguments:
            finder.names[item.name.value] = shown
        if definition is not None and item.selection_set is not None:
            below = finder_of(types, keys, definition.type_name, item.selection_set.selections)
            if below is not None:
                finder.below[shown] = below
    finder.keys = {
        name: usable
        for name, several in mine.items()
        if (usable := tuple(key for key in several if _is_selected(key.fields, finder.names)))
    }
    return finder if finder.keys or finder.below else None


def _is_selected(fields: FieldSet, names: Mapping[str, str]) -> bool:
    """Return whether a request selects the fields of a key. `names`: those that it selects."""
    return all(isinstance(one, FieldSetField) and one.name in names for one in fields)


def _fields(parent: str, selections: Iterable[SelectionNode]) -> Iterator[tuple[str, FieldNode]]:
    """Yield the fields of a selection, each with the type on which it is selected."""
    for item in selections:
        if isinstance(item, FieldNode):
            yield parent, item
        elif isinstance(item, InlineFragmentNode):
            narrowed = item.type_condition.name.value if item.type_condition else parent
            yield from _fields(narrowed, item.selection_set.selections)


def embedded_tags(finders: Iterable[Finder], value: Any) -> tuple[str, ...]:
    """Return the tags of the entities in a decoded value.

    Of more than MOST_ENTITIES, only the tags for any entity of their types (`entities:Thing`).
    """
    found: dict[str, str] = {}
    for finder in finders:
        finder.find(value, found)
    if len(found) <= MOST_ENTITIES:
        return tuple(found)
    return tuple(f"entities:{name}" for name in sorted(set(found.values())))
