"""Checks field sets against a subgraph's types, and lists the fields that they use. The rules use it.

A field set is the selection in a @key, @requires, @provides or @fromContext.

Example, for a subgraph with `type Product { id: ID! maker: Maker tags(n: Int): [String] }` and `type Maker {
name: String }`, as `check_selection` reports a key (`arguments=False`):

    "id maker { name }"   valid; used_fields: (Product, id, leaf), (Product, maker), (Maker, name, leaf)
    "id color"            INVALID_FIELDS: Product has no field color
    "maker"               INVALID_FIELDS: Product.maker needs a selection of its fields
    "id { x }"            INVALID_FIELDS: Product.id has no fields to select
    "tags"                FIELDS_HAS_ARGS: Product.tags has arguments
"""

from collections.abc import Callable, Iterator

from graphql import (
    KnownArgumentNamesRule,
    PossibleFragmentSpreadsRule,
    ProvidedRequiredArgumentsRule,
    ValuesOfCorrectTypeRule,
    parse,
    validate,
)

from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef
from gateway.federation.context_value import context_and_selection
from gateway.federation.field_set import (
    FieldSet,
    FieldSetField,
    FieldSetFragment,
    parse_field_set,
    print_field_set,
)

ReportProblem = Callable[[str, str], None]
Misfits = Iterator[tuple[str, str]]  # (the end of an error code, message)
TYPENAME = "__typename"


def used_fields(
    schema: SubgraphSchema, type_name: str, fields: FieldSet
) -> Iterator[tuple[str, FieldDef, bool]]:
    """Yield (type name, field, whether it is a leaf) for each field of a field set; skip unknown fields."""
    for item in fields:
        if not isinstance(item, FieldSetField):
            condition = item.type_condition if item.type_condition in schema.types else type_name
            yield from used_fields(schema, condition or type_name, item.selections)
            continue
        parent = schema.types.get(type_name)
        found = parent.fields.get(item.name) if parent else None
        if found is None:
            continue
        yield type_name, found, not item.selections
        if item.selections:
            yield from used_fields(schema, found.type_name, item.selections)


def mentioned_fields(schema: SubgraphSchema) -> set[tuple[str, str]]:
    """Return the (type, field) pairs that a directive's field set or an interface of the subgraph refers to.

    Directives are @key, @requires, @provides and @fromContext. A field set with an unknown field counts as
    empty.
    """
    found: set[tuple[str, str]] = set()
    for item in schema.types.values():
        sets = [(item.name, key.fields or ()) for key in item.keys]
        sets += [(item.name, one.requires or ()) for one in item.fields.values()]
        sets += [(one.type_name, one.provides or ()) for one in item.fields.values()]
        sets += list(_context_selections(schema, item))
        for name, fields in sets:
            if has_unknown_field(schema, name, fields):
                continue  # reported by the rule of the directive
            found.update((parent, one.name) for parent, one, _ in used_fields(schema, name, fields))
        for interface in item.interfaces:
            above = schema.types.get(interface)
            found.update((item.name, name) for name in (above.fields if above else ()))
    return found


def has_unknown_field(schema: SubgraphSchema, type_name: str, fields: FieldSet) -> bool:
    """Return whether a field set selects a field that its type does not define."""
    parent = schema.types.get(type_name)
    for item in fields:
        if not isinstance(item, FieldSetField):
            condition = item.type_condition if item.type_condition in schema.types else type_name
            if has_unknown_field(schema, condition or type_name, item.selections):
                return True
            continue
        found = parent.fields.get(item.name) if parent else None
        if found is None and item.name != TYPENAME:
            return True
        if found is not None and has_unknown_field(schema, found.type_name, item.selections):
            return True
    return False


def _context_selections(schema: SubgraphSchema, item: TypeDef) -> Iterator[tuple[str, FieldSet]]:
    """Yield (type that sets the context, selection) for each @fromContext argument of a type."""
    for one in item.fields.values():
        for argument in one.arguments.values():
            parsed = context_and_selection(argument.context) if argument.context else None
            if parsed is None:
                continue
            name, selection = parsed
            try:
                fields = parse_field_set(selection if selection.startswith("{") else f"{{{selection}}}")
            except ValueError:
                continue  # reported by rules/contexts
            yield from ((other.name, fields) for other in schema.types.values() if name in other.contexts)


def check_selection(
    schema: SubgraphSchema, type_name: str, fields: FieldSet, complain: ReportProblem, *, arguments: bool
) -> None:
    """Report each place where a field set is not a valid selection on a type.

    `complain(code, message)` is called with the end of an error code. `arguments`: whether fields with
    arguments are allowed; if not, they are reported only if no field is invalid for another reason.
    """
    found = list(_misfits(schema, type_name, fields, arguments))
    broken = any(code == "INVALID_FIELDS" for code, _ in found)
    for code, message in found:
        if not (broken and code == "FIELDS_HAS_ARGS"):
            complain(code, message)


def _misfits(schema: SubgraphSchema, type_name: str, fields: FieldSet, arguments: bool) -> Misfits:
    for item in fields:
        yield from _directive_misfits(item)
        if isinstance(item, FieldSetField):
            yield from _field_misfits(schema, type_name, item, arguments)
        else:
            yield from _fragment_misfits(schema, type_name, item, arguments)


def _directive_misfits(item: FieldSetField | FieldSetFragment) -> Misfits:
    if unknown := [name for name in item.directives if name not in ("skip", "include")]:
        yield ("INVALID_FIELDS", f"the directive @{unknown[0]} is not allowed in a field set")
    elif item.directives:
        yield ("DIRECTIVE_IN_FIELDS_ARG", "directives are not allowed in a field set")


def _fragment_misfits(
    schema: SubgraphSchema, type_name: str, item: FieldSetFragment, arguments: bool
) -> Misfits:
    parent = schema.types.get(type_name)
    if parent is not None and parent.interface_object and item.type_condition not in schema.types:
        yield from _misfits(schema, type_name, item.selections, arguments)
    elif item.type_condition and item.type_condition not in schema.types:
        yield ("INVALID_FIELDS", f"the type {item.type_condition} does not exist")
    else:
        yield from _misfits(schema, item.type_condition or type_name, item.selections, arguments)


def _field_misfits(schema: SubgraphSchema, type_name: str, item: FieldSetField, arguments: bool) -> Misfits:
    if item.alias:
        yield ("INVALID_FIELDS", f'"{item.alias}: {item.name}": aliases are not allowed')
    if item.name == TYPENAME:
        return
    parent = schema.types.get(type_name)
    found = parent.fields.get(item.name) if parent else None
    if found is None:
        yield ("INVALID_FIELDS", f"{type_name} has no field {item.name}")
        return
    yield from _argument_misfits(type_name, found, item, arguments)
    yield from _selection_misfits(schema, type_name, found, item, arguments)


def _argument_misfits(type_name: str, found: FieldDef, item: FieldSetField, arguments: bool) -> Misfits:
    unknown = [name for name, _ in item.arguments if name not in found.arguments]
    if unknown and not arguments:
        yield ("INVALID_FIELDS", f"{type_name}.{item.name} has no argument {unknown[0]}")
    elif found.arguments and not arguments and not item.alias:
        yield ("FIELDS_HAS_ARGS", f"{type_name}.{item.name} has arguments")
    if any("$" in value for _, value in item.arguments):
        yield ("INVALID_FIELDS", f"{type_name}.{item.name}: variables are not allowed")


def _selection_misfits(
    schema: SubgraphSchema, type_name: str, found: FieldDef, item: FieldSetField, arguments: bool
) -> Misfits:
    below = schema.types.get(found.type_name)
    composite = below is not None and below.kind in ("object", "interface", "union")
    if composite and not item.selections:
        yield ("INVALID_FIELDS", f"{type_name}.{item.name} needs a selection of its fields")
    elif item.selections and not composite:
        yield ("INVALID_FIELDS", f"{type_name}.{item.name} has no fields to select")
    elif item.selections:
        yield from _misfits(schema, found.type_name, item.selections, arguments)


_SPECIFIED = (
    KnownArgumentNamesRule,
    PossibleFragmentSpreadsRule,
    ProvidedRequiredArgumentsRule,
    ValuesOfCorrectTypeRule,
)


def check_arguments(
    schema: SubgraphSchema, type_name: str, fields: FieldSet, complain: ReportProblem
) -> None:
    """Report wrong arguments and fragments that can never match, by GraphQL's own validation rules."""
    if _only_fields(fields) and not any(
        one.arguments for _, one, _ in used_fields(schema, type_name, fields)
    ):
        return  # nothing to check
    document = parse(f"fragment F on {type_name} {{ {print_field_set(fields)} }}", no_location=True)
    for error in validate(schema.graphql, document, _SPECIFIED):
        complain("INVALID_FIELDS", error.message)


def _only_fields(fields: FieldSet) -> bool:
    return all(isinstance(item, FieldSetField) and _only_fields(item.selections) for item in fields)


def leaves_not_external(
    schema: SubgraphSchema, type_name: str, fields: FieldSet, known: bool = False
) -> Iterator[str]:
    """Yield the coordinates of the leaves that the subgraph resolves itself.

    Neither such a leaf nor a field that encloses it is @external. A composite field of an interface counts as
    @external if that of an implementing type is; `__typename` only inside an @external field. `known`:
    whether an enclosing field is @external.
    """
    parent = schema.types.get(type_name)
    for item in fields:
        if not isinstance(item, FieldSetField):
            yield from leaves_not_external(schema, item.type_condition or type_name, item.selections, known)
            continue
        found = parent.fields.get(item.name) if parent else None
        external = known or (found.external if found else item.name != TYPENAME)
        if item.selections and found:
            external = external or _is_external_below(schema, type_name, item.name)
            yield from leaves_not_external(schema, found.type_name, item.selections, external)
        elif not external:
            yield f"{type_name}.{item.name}"


def implementations(schema: SubgraphSchema, type_name: str, name: str) -> Iterator[tuple[str, FieldDef]]:
    """Yield (object type, its field `name`) for each implementation of an interface; nothing for
    other types.
    """
    item = schema.types.get(type_name)
    for member in sorted(schema.possible(type_name)) if item and item.kind == "interface" else ():
        below = schema.types.get(member)
        if below is not None and name in below.fields:
            yield member, below.fields[name]


def _is_external_below(schema: SubgraphSchema, type_name: str, name: str) -> bool:
    return any(one.external for _, one in implementations(schema, type_name, name))
