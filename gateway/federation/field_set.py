"""Field sets: the selections in `@key(fields:)`, `@requires(fields:)` and `@provides(fields:)`.

Composition checks them, and planning places their fields. Arguments are stored as printed GraphQL, so that
field sets can be compared and hashed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from graphql import GraphQLError, parse, print_ast
from graphql.language import FieldNode, InlineFragmentNode, OperationDefinitionNode, SelectionSetNode


@dataclass(frozen=True, slots=True)
class FieldSetField:
    """A field of a field set, with its own selections. `arguments`: pairs of name and GraphQL text."""

    name: str
    arguments: tuple[tuple[str, str], ...] = ()
    selections: "FieldSet" = ()
    alias: str | None = None
    directives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldSetFragment:
    """An inline fragment of a field set."""

    type_condition: str | None
    selections: "FieldSet"
    directives: tuple[str, ...] = ()


FieldSet = tuple["FieldSetField | FieldSetFragment", ...]


@lru_cache(maxsize=8_192)  # enough for the field sets of several supergraphs
def parse_field_set(text: str) -> FieldSet:
    """Parse a text such as `"id organization { id }"`, with or without outer braces.

    Raises ValueError if it is not a selection set, or has named fragments.
    """
    stripped = text.strip()
    source = stripped if stripped.startswith("{") else "{" + stripped + "}"
    try:
        document = parse(source, no_location=True, max_tokens=2000)
    except GraphQLError as error:
        raise ValueError(error.message) from error
    first = document.definitions[0]
    if len(document.definitions) != 1 or not isinstance(first, OperationDefinitionNode):
        raise ValueError("expected one selection set")
    return _selections(first.selection_set)


def _selections(node: SelectionSetNode | None) -> FieldSet:
    out: list[FieldSetField | FieldSetFragment] = []
    for selection in node.selections if node else ():
        if isinstance(selection, FieldNode):
            arguments = tuple((item.name.value, print_ast(item.value)) for item in selection.arguments or ())
            alias = selection.alias.value if selection.alias else None
            below = _selections(selection.selection_set)
            out.append(FieldSetField(selection.name.value, arguments, below, alias, _directives(selection)))
        elif isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition.name.value if selection.type_condition else None
            out.append(
                FieldSetFragment(condition, _selections(selection.selection_set), _directives(selection))
            )
        else:
            raise ValueError("named fragments are not allowed")
    return tuple(out)


def _directives(node: FieldNode | InlineFragmentNode) -> tuple[str, ...]:
    return tuple(one.name.value for one in node.directives or ())


def print_field_set(fields: FieldSet) -> str:
    """Return the canonical text of a field set: single spaces, no outer braces."""
    return " ".join(_print(item) for item in fields)


def _print(item: FieldSetField | FieldSetFragment) -> str:
    below = f" {{ {print_field_set(item.selections)} }}" if item.selections else ""
    if isinstance(item, FieldSetFragment):
        return f"... on {item.type_condition}{below}" if item.type_condition else f"...{below}"
    arguments = ", ".join(f"{name}: {value}" for name, value in item.arguments)
    return f"{item.name}({arguments}){below}" if arguments else f"{item.name}{below}"


def with_default_type_names(fields: FieldSet, names: Mapping[str, str]) -> FieldSet:
    """Return the field set with type conditions renamed by `names`."""
    if not names:
        return fields
    out: list[FieldSetField | FieldSetFragment] = []
    for item in fields:
        inner = with_default_type_names(item.selections, names)
        if isinstance(item, FieldSetField):
            out.append(replace(item, selections=inner))
        else:
            condition = names.get(item.type_condition or "", item.type_condition)
            out.append(replace(item, selections=inner, type_condition=condition))
    return tuple(out)


def without_needless_fragments(
    fields: FieldSet,
    type_name: str,
    field_types: Mapping[str, Mapping[str, str]],
    possible: Mapping[str, frozenset[str]],
) -> FieldSet:
    """Return the field set with each fragment that always matches replaced by its fields.

    `type_name`: the type that the field set is for. `field_types`: the type reference of each field, by type
    and name. `possible`: the object types of each type. Fragments with directives remain.

    Example: `... on User { id } org { ... { id } }` for `User` is `id org { id }`.
    """
    out: list[FieldSetField | FieldSetFragment] = []
    for item in fields:
        inside = _type_inside(item, type_name, field_types)
        inner = without_needless_fragments(item.selections, inside, field_types, possible)
        always = inside == type_name or type_name in possible.get(inside, ())
        if isinstance(item, FieldSetFragment) and always and not item.directives:
            out.extend(inner)
        else:
            out.append(replace(item, selections=inner))
    return tuple(dict.fromkeys(out))


def _type_inside(
    item: FieldSetField | FieldSetFragment, type_name: str, field_types: Mapping[str, Mapping[str, str]]
) -> str:
    """Return the type that the selections of a field or fragment are for."""
    if isinstance(item, FieldSetFragment):
        return item.type_condition or type_name
    return field_types.get(type_name, {}).get(item.name, "").strip("[]!")


def top_fields(fields: Iterable[FieldSetField | FieldSetFragment]) -> Iterator[FieldSetField]:
    """Yield the fields of the outermost level, those in fragments included."""
    for item in fields:
        if isinstance(item, FieldSetField):
            yield item
        else:
            yield from top_fields(item.selections)
