"""Smaller supplies: variants without a subgraph, a type, a field in one or all subgraphs, a directive, or a
value.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

from graphql import (
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_composite_type,
    is_non_null_type,
    parse,
    print_ast,
)
from graphql.language import DefinitionNode, DocumentNode, FieldDefinitionNode

from tests.fuzz.case import Supply
from tests.fuzz.directives import read_facts
from tests.fuzz.shrink_repair import repaired

_ROOTS = ("Query", "Mutation")
Later = Callable[[], Supply]
FieldEdit = Callable[[str, FieldDefinitionNode], FieldDefinitionNode | None]


def without_untouched(supply: Supply, touched: set[tuple[str, str]]) -> Iterator[Later]:
    """Yield variants without the fields that no execution read, except keys: without all of them, or those of
    one type.
    """
    keys = {"id", "code", "num", "org"}
    places = {
        (_name(definition), field.name.value)
        for definition in _parsed(supply.monolith).definitions
        for field in getattr(definition, "fields", None) or ()
        if field.name.value not in keys and (_name(definition), field.name.value) not in touched
    }
    bare = replace(
        supply, subgraphs={name: _without_marks(sdl, "provides") for name, sdl in supply.subgraphs.items()}
    )
    for start in (bare, supply):
        yield partial(_repaired, partial(_without_places, start, frozenset(places)))
    for kind in sorted({kind for kind, _ in places}):
        here = frozenset(place for place in places if place[0] == kind)
        yield partial(_repaired, partial(_without_places, supply, here))


def _without_marks(sdl: str, mark: str) -> str:
    """Return an SDL without a directive with a field set on fields."""
    return re.sub(rf' @{mark}\(fields: "[^"]*"\)', "", sdl)


def smaller_supplies(supply: Supply) -> Iterator[Later]:
    """Yield variants of a supply, large steps first, each repaired. They need not compose."""
    return (partial(_repaired, later) for later in _smaller(supply))


def _repaired(later: Later) -> Supply:
    return repaired(later())


def _smaller(supply: Supply) -> Iterator[Later]:
    for name in supply.subgraphs:
        yield partial(_without_subgraph, supply, name)
    document = _parsed(supply.monolith)
    yield from _without_many(supply, document)
    for definition in document.definitions:
        if (kind := _name(definition)) and kind != "Query":
            yield partial(_everywhere, supply, kind, lambda kind, field: None)
    for definition in document.definitions:
        for field in getattr(definition, "fields", None) or ():
            yield partial(_everywhere, supply, _name(definition), _without(field.name.value))
    for name, sdl in supply.subgraphs.items():
        for smaller in _smaller_subgraphs(sdl):
            yield partial(_with_subgraph, supply, name, smaller)
    for definition in document.definitions:
        for field in getattr(definition, "fields", None) or ():
            if getattr(field, "arguments", None):
                yield partial(_everywhere, supply, _name(definition), _bare(field.name.value))


def _without_subgraph(supply: Supply, name: str) -> Supply:
    return replace(supply, subgraphs={one: sdl for one, sdl in supply.subgraphs.items() if one != name})


def _with_subgraph(supply: Supply, name: str, sdl: Callable[[], str]) -> Supply:
    return replace(supply, subgraphs={**supply.subgraphs, name: sdl()})


@cache
def _parsed(sdl: str) -> DocumentNode:
    return parse(sdl, no_location=True)


def _without_many(supply: Supply, document: DocumentNode) -> Iterator[Later]:
    """Yield variants without a half, a quarter, ... of all fields."""
    places = [
        (_name(definition), field.name.value)
        for definition in document.definitions
        for field in getattr(definition, "fields", None) or ()
    ]
    size = len(places) // 2
    while size > 2:
        for start in range(0, len(places), size):
            yield partial(_without_places, supply, frozenset(places[start : start + size]))
        size //= 2


def _without_places(supply: Supply, places: frozenset[tuple[str, str]]) -> Supply:
    for kind in sorted({kind for kind, _ in places}):
        names = {name for one, name in places if one == kind}
        supply = _everywhere(supply, kind, partial(_unless_named, names))
    return supply


def _unless_named(names: set[str], kind: str, field: FieldDefinitionNode) -> FieldDefinitionNode | None:
    return None if field.name.value in names else field


def _name(definition: DefinitionNode) -> str:
    name = getattr(definition, "name", None)
    return name.value if name else ""


def _without(name: str) -> FieldEdit:
    return lambda kind, field: None if field.name.value == name else field


def _bare(name: str) -> FieldEdit:
    def edit(kind: str, field: FieldDefinitionNode) -> FieldDefinitionNode:
        return replace(field, arguments=()) if field.name.value == name else field

    return edit


def _everywhere(supply: Supply, kind: str, edit: FieldEdit) -> Supply:
    subgraphs = {}
    for name, sdl in supply.subgraphs.items():
        own = read_facts(sdl).roots.get(kind, kind)
        subgraphs[name] = _edited(sdl, own, edit)
    return replace(supply, monolith=_edited(supply.monolith, kind, edit), subgraphs=subgraphs)


def _edited(sdl: str, kind: str, edit: FieldEdit) -> str:
    """Return an SDL with each field of a type changed or removed; a type without fields is removed too."""
    definitions: list[Any] = []
    for definition in _parsed(sdl).definitions:
        if _name(definition) == kind:
            fields = [edit(kind, field) for field in getattr(definition, "fields", None) or ()]
            kept = tuple(field for field in fields if field is not None)
            if not kept:
                continue
            definitions.append(_with(definition, fields=kept))
        else:
            definitions.append(definition)
    names = {_name(one) for one in definitions}
    if kind not in names:
        definitions = [one for item in definitions if (one := _forgetting(item, kind)) is not None]
    return _printed(definitions)


def _forgetting(definition: Any, kind: str) -> Any:
    """Return a definition without references to a removed type; None if nothing is left of it."""
    for attribute in ("interfaces", "types", "operation_types"):
        items = getattr(definition, attribute, None)
        if items:
            kept = tuple(one for one in items if _target(one) != kind)
            if not kept and attribute != "interfaces":
                return None
            definition = _with(definition, **{attribute: kept})
    return definition


def _with(definition: Any, **changes: Any) -> Any:
    return replace(definition, **changes)


def _target(item: Any) -> str:
    return str(item.type.name.value if hasattr(item, "operation") else item.name.value)


def _smaller_subgraphs(sdl: str) -> Iterator[Callable[[], str]]:
    """Yield variants of one subgraph's SDL.

    Each is without one type, field, directive, member of a union or implemented interface.
    """
    definitions = _parsed(sdl).definitions
    for definition in definitions:
        if kind := _name(definition):
            yield partial(_edited, sdl, kind, lambda kind, field: None)
            for field in getattr(definition, "fields", None) or ():
                yield partial(_edited, sdl, kind, _without(field.name.value))
    for place, definition in enumerate(definitions):
        for smaller in _smaller_definitions(definition):
            yield partial(_printed, [*definitions[:place], smaller, *definitions[place + 1 :]])


def _smaller_definitions(definition: Any) -> Iterator[Any]:
    for attribute in ("types", "interfaces", "directives"):
        items = getattr(definition, attribute, None) or ()
        for place in range(len(items)):
            if _name(definition):
                yield _with(definition, **{attribute: (*items[:place], *items[place + 1 :])})
    fields = getattr(definition, "fields", None) or ()
    for place, field in enumerate(fields):
        for mark in range(len(getattr(field, "directives", None) or ())):
            bare = _with(field, directives=(*field.directives[:mark], *field.directives[mark + 1 :]))
            yield _with(definition, fields=(*fields[:place], bare, *fields[place + 1 :]))


def _printed(definitions: Any) -> str:
    return print_ast(DocumentNode(definitions=tuple(definitions))) + "\n"


def fitting_data(supply: Supply) -> Supply:
    """Return the supply without data of removed types and fields."""
    fields = {
        _name(one): {field.name.value for field in getattr(one, "fields", None) or ()}
        for one in _parsed(supply.monolith).definitions
    }
    data = {
        kind: [{name: value for name, value in one.items() if name in fields[kind]} for one in objects]
        for kind, objects in supply.data.items()
        if kind in fields
    }
    return replace(supply, data=data)


def smaller_data(supply: Supply) -> Iterator[Later]:
    """Yield variants with less data.

    Each is without the last object of a type, or has null, a shorter list or the first object instead of one
    value.
    """
    schema = build_schema(supply.monolith)
    for kind, objects in supply.data.items():
        if len(objects) > 1 and f'"{kind}/{len(objects) - 1}"' not in json.dumps(supply.data):
            yield partial(_with_objects, supply, kind, objects[:-1])
    for kind, objects in supply.data.items():
        definition = schema.type_map[kind]
        assert isinstance(definition, GraphQLObjectType)
        for place, one in enumerate(objects):
            for name, value in one.items():
                for less in _less(value, definition.fields[name].type):
                    changed = [*objects[:place], {**one, name: less}, *objects[place + 1 :]]
                    yield partial(_with_objects, supply, kind, changed)


def _with_objects(supply: Supply, kind: str, objects: list[dict[str, Any]]) -> Supply:
    return replace(supply, data={**supply.data, kind: objects})


def _less(value: Any, reference: Any) -> Iterator[Any]:
    if value is not None and not is_non_null_type(reference):
        yield None
    if isinstance(value, list) and value:
        yield []
        if len(value) > 1:
            yield value[:1]
            yield value[1:]
    elif isinstance(value, str) and is_composite_type(get_named_type(reference)) and not value.endswith("/0"):
        yield value.partition("/")[0] + "/0"
