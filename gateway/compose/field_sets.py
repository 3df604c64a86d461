"""Walking a field set over a subgraph's types: is it a selection of them, and which fields does it use?"""

from collections.abc import Callable, Iterator

from graphql import (
    KnownArgumentNamesRule,
    PossibleFragmentSpreadsRule,
    ProvidedRequiredArgumentsRule,
    ValuesOfCorrectTypeRule,
    parse,
    validate,
)

from gateway.compose.model import FieldDef, SubgraphSchema
from gateway.federation.field_set import FieldSet, FieldSetField, print_field_set

Complain = Callable[[str, str], None]


def used_fields(schema: SubgraphSchema, type_name: str, fields: FieldSet) -> Iterator[tuple[str, FieldDef, bool]]:
    """Each field of a field set as (type, field, is it a leaf); unknown ones are passed over."""
    for item in fields:
        if not isinstance(item, FieldSetField):
            yield from used_fields(schema, item.type_condition or type_name, item.selections)
            continue
        parent = schema.types.get(type_name)
        found = parent.fields.get(item.name) if parent else None
        if found is None:
            continue
        yield type_name, found, not item.selections
        if item.selections:
            yield from used_fields(schema, found.type_name, item.selections)


def mentioned_fields(schema: SubgraphSchema) -> set[tuple[str, str]]:
    """The (type, field) that a key, @requires or @provides of a subgraph mentions, or that an interface there asks for."""
    found: set[tuple[str, str]] = set()
    for item in schema.types.values():
        sets = [(item.name, key.fields or ()) for key in item.keys]
        sets += [(item.name, one.requires or ()) for one in item.fields.values()]
        sets += [(one.type_name, one.provides or ()) for one in item.fields.values()]
        for name, fields in sets:
            found.update((parent, one.name) for parent, one, _ in used_fields(schema, name, fields))
        for interface in item.interfaces:
            above = schema.types.get(interface)
            found.update((item.name, name) for name in (above.fields if above else ()))
    return found


def check_selection(
    schema: SubgraphSchema, type_name: str, fields: FieldSet, complain: Complain, *, arguments: bool
) -> None:
    """Complain (with the end of a code, and a message) where a field set is no selection of a type.

    `arguments`: whether its fields may have arguments.
    """
    for item in fields:
        if item.directives:
            complain("HAS_DIRECTIVE_IN_FIELDS_ARGS", "a field set can't hold directives")
        if not isinstance(item, FieldSetField):
            if item.type_condition and item.type_condition not in schema.types:
                complain("INVALID_FIELDS", f"there is no type {item.type_condition}")
            else:
                check_selection(
                    schema, item.type_condition or type_name, item.selections, complain, arguments=arguments
                )
            continue
        if item.alias:
            complain("INVALID_FIELDS", f'"{item.alias}: {item.name}": a field set can\'t hold aliases')
        if item.name == "__typename":
            continue
        parent = schema.types.get(type_name)
        found = parent.fields.get(item.name) if parent else None
        if found is None:
            complain("INVALID_FIELDS", f"{type_name} has no field {item.name}")
            continue
        if found.arguments and not arguments:
            complain("FIELDS_HAS_ARGS", f"{type_name}.{item.name} has arguments")
        if any("$" in value for _, value in item.arguments):
            complain("INVALID_FIELDS", f"{type_name}.{item.name}: a field set can't hold variables")
        below = schema.types.get(found.type_name)
        composite = below is not None and below.kind in ("object", "interface", "union")
        if composite and not item.selections:
            complain("INVALID_FIELDS", f"{type_name}.{item.name} needs a selection of its fields")
        elif item.selections and not composite:
            complain("INVALID_FIELDS", f"{type_name}.{item.name} has no fields to select")
        elif item.selections:
            check_selection(schema, found.type_name, item.selections, complain, arguments=arguments)


_SPECIFIED = (
    KnownArgumentNamesRule,
    PossibleFragmentSpreadsRule,
    ProvidedRequiredArgumentsRule,
    ValuesOfCorrectTypeRule,
)


def check_arguments(schema: SubgraphSchema, type_name: str, fields: FieldSet, complain: Complain) -> None:
    """Complain about arguments that don't fit and fragments that can't apply, by GraphQL's own rules."""
    document = parse(f"fragment F on {type_name} {{ {print_field_set(fields)} }}", no_location=True)
    for error in validate(schema.graphql, document, _SPECIFIED):
        complain("INVALID_FIELDS", error.message)


def leaves_not_external(schema: SubgraphSchema, type_name: str, fields: FieldSet, known: bool = False) -> Iterator[str]:
    """The leaves of a field set that the subgraph resolves itself: neither they nor anything above them is @external."""
    parent = schema.types.get(type_name)
    for item in fields:
        if not isinstance(item, FieldSetField):
            yield from leaves_not_external(schema, item.type_condition or type_name, item.selections, known)
            continue
        found = parent.fields.get(item.name) if parent else None
        if found is None:
            continue
        external = known or found.external or _external_in_implementations(schema, type_name, item.name)
        if item.selections:
            yield from leaves_not_external(schema, found.type_name, item.selections, external)
        elif not external:
            yield f"{type_name}.{item.name}"


def _external_in_implementations(schema: SubgraphSchema, type_name: str, name: str) -> bool:
    members = (schema.types.get(member) for member in schema.possible(type_name))
    return any(one is not None and name in one.fields and one.fields[name].external for one in members)
