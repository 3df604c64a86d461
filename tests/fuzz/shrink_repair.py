"""Repairs a supply after something was removed: removes also what is invalid without it.

So larger steps of shrinking give valid cases.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from graphql import parse, print_ast
from graphql.language import ConstDirectiveNode, DocumentNode, StringValueNode

from tests.fuzz.case import Supply

_BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}
_ROOTS = {"query": "Query", "mutation": "Mutation"}


def repaired(supply: Supply) -> Supply:
    """Return a supply in which no field refers to removed types, no type is empty, and both sides have the
    same fields.
    """
    while True:
        subgraphs = {name: _settled(sdl) for name, sdl in supply.subgraphs.items()}
        subgraphs = {name: sdl for name, sdl in subgraphs.items() if re.search(r"^type ", sdl, re.MULTILINE)}
        there = {place for sdl in subgraphs.values() for place in _resolved(sdl)}
        monolith = _settled(_filtered(supply.monolith, partial(_offered, there)))
        smaller = replace(supply, monolith=monolith, subgraphs=subgraphs)
        if smaller == supply:
            return supply
        supply = smaller


def _offered(there: set[tuple[str, str]], kind: str, field: Any) -> bool:
    return (
        not _is_object_field(field) or (kind, field.name.value) in there or ("*", field.name.value) in there
    )


def _is_object_field(field: Any) -> bool:
    return hasattr(field, "arguments")


def _name(definition: Any) -> str:
    name = getattr(definition, "name", None)
    return name.value if name else ""


def _resolved(sdl: str) -> set[tuple[str, str]]:
    """Return the (type, field) that a subgraph resolves, with the supergraph's names.

    A field of an interface object has the type "*".
    """
    document = parse(sdl, no_location=True)
    roots = {
        one.type.name.value: _ROOTS[one.operation.value]
        for item in document.definitions
        for one in getattr(item, "operation_types", None) or ()
    }
    found = set()
    for item in document.definitions:
        wide = any(one.name.value == "interfaceObject" for one in getattr(item, "directives", None) or ())
        for field in getattr(item, "fields", None) or ():
            if all(one.name.value != "external" for one in getattr(field, "directives", None) or ()):
                found.add((roots.get(_name(item), _name(item)), field.name.value))
                found |= {("*", field.name.value)} if wide else set()
    return found


def _filtered(sdl: str, keep: Callable[[str, Any], bool]) -> str:
    """Return an SDL with the fields for which `keep` is true, without empty types."""
    definitions: list[Any] = []
    item: Any
    for item in parse(sdl, no_location=True).definitions:
        fields = getattr(item, "fields", None)
        if fields is None:
            definitions.append(item)
            continue
        kept = tuple(field for field in fields if keep(_name(item), field))
        if kept:
            definitions.append(replace(item, fields=kept))
    return print_ast(DocumentNode(definitions=tuple(definitions))) + "\n"


def _settled(sdl: str) -> str:
    """Return one SDL without what is invalid within it."""
    while True:
        document = parse(sdl, no_location=True)
        known = {_name(item) for item in document.definitions} | _BUILT_IN
        definitions = [kept for item in document.definitions if (kept := _fitting(item, known)) is not None]
        fields = {
            _name(item): {one.name.value for one in getattr(item, "fields", None) or ()}
            for item in definitions
        }
        definitions = [_with_sound_marks(item, fields) for item in definitions]
        text = print_ast(DocumentNode(definitions=tuple(definitions)))
        read = " ".join(re.findall(r'@(?:requires|provides)\(fields: "((?:[^"\\]|\\.)*)"', text))
        words = set(re.findall(r"\w+", read))
        smaller = _filtered(text, partial(_read, words))
        if smaller == sdl:
            return sdl
        sdl = smaller


def _read(words: set[str], kind: str, field: Any) -> bool:
    """Return whether a field is not @external, or is in a field set."""
    marks = {one.name.value for one in getattr(field, "directives", None) or ()}
    return "external" not in marks or field.name.value in words


def _fitting(item: Any, known: set[str]) -> Any:
    """Return a definition without references to undefined types; None if nothing is left."""
    for attribute in ("interfaces", "types", "operation_types"):
        if items := getattr(item, attribute, None):
            kept = tuple(
                one
                for one in items
                if (one.type if attribute == "operation_types" else one).name.value in known
            )
            if not kept and attribute != "interfaces":
                return None
            item = replace(item, **{attribute: kept})
    if fields := getattr(item, "fields", None):
        kept = tuple(field for field in fields if _types_of(field) <= known)
        return replace(item, fields=kept) if kept else None
    return item


def _types_of(field: Any) -> set[str]:
    nodes = [field.type, *(one.type for one in getattr(field, "arguments", None) or ())]
    return {re.sub(r"[\[\]!]", "", print_ast(node)) for node in nodes}


def _with_sound_marks(item: Any, fields: dict[str, set[str]]) -> Any:
    """Return a definition without keys and field sets whose outermost fields do not exist."""
    own = fields.get(_name(item), set())
    if getattr(item, "directives", None) and getattr(item, "fields", None):
        item = replace(
            item,
            directives=tuple(one for one in item.directives if one.name.value != "key" or _top(one) <= own),
        )
    if getattr(item, "fields", None) and any(hasattr(one, "arguments") for one in item.fields):
        item = replace(item, fields=tuple(_sound_field(field, own, fields) for field in item.fields))
    return item


def _sound_field(field: Any, own: set[str], fields: dict[str, set[str]]) -> Any:
    below = fields.get(re.sub(r"[\[\]!]", "", print_ast(field.type)), set())
    allowed = {"requires": own, "provides": below}
    marks = field.directives or ()
    kept = tuple(
        one for one in marks if one.name.value not in allowed or _top(one) <= allowed[one.name.value]
    )
    return field if len(kept) == len(marks) else replace(field, directives=kept)


def _top(mark: ConstDirectiveNode) -> set[str]:
    """Return the names of the outermost fields of a field set."""
    text = next(
        (one.value.value for one in mark.arguments or () if isinstance(one.value, StringValueNode)), ""
    )
    while (smaller := re.sub(r"\{[^{}]*\}|\([^()]*\)", "", text)) != text:
        text = smaller
    return set(re.findall(r"\w+", re.sub(r"\.\.\.(\s*on\s+\w+)?", "", text)))
