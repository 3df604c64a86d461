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

from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef
from gateway.federation.context_value import context_and_selection
from gateway.federation.field_set import FieldSet, FieldSetField, parse_field_set, print_field_set

ReportProblem = Callable[[str, str], None]
TYPENAME = "__typename"


def used_fields(
    schema: SubgraphSchema, type_name: str, fields: FieldSet
) -> Iterator[tuple[str, FieldDef, bool]]:
    """Each field of a field set as (type, field, is it a leaf); unknown ones are passed over."""
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
    """The (type, field) that a key, @requires or @provides of a subgraph mentions, or that an interface
    there asks for.
    """
    found: set[tuple[str, str]] = set()
    for item in schema.types.values():
        sets = [(item.name, key.fields or ()) for key in item.keys]
        sets += [(item.name, one.requires or ()) for one in item.fields.values()]
        sets += [(one.type_name, one.provides or ()) for one in item.fields.values()]
        sets += list(_context_selections(schema, item))
        for name, fields in sets:
            if has_unknown_field(schema, name, fields):
                continue  # it is reported, and uses nothing
            found.update((parent, one.name) for parent, one, _ in used_fields(schema, name, fields))
        for interface in item.interfaces:
            above = schema.types.get(interface)
            found.update((item.name, name) for name in (above.fields if above else ()))
    return found


def has_unknown_field(schema: SubgraphSchema, type_name: str, fields: FieldSet) -> bool:
    """Whether a field set names a field that its type does not have."""
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
    """What the fields of a type take from contexts, on each type that sets the context."""
    for one in item.fields.values():
        for argument in one.arguments.values():
            parsed = context_and_selection(argument.context) if argument.context else None
            if parsed is None:
                continue
            name, selection = parsed
            try:
                fields = parse_field_set(selection if selection.startswith("{") else f"{{{selection}}}")
            except ValueError:
                continue  # reported by the rule for contexts
            yield from ((other.name, fields) for other in schema.types.values() if name in other.contexts)


def check_selection(
    schema: SubgraphSchema, type_name: str, fields: FieldSet, complain: ReportProblem, *, arguments: bool
) -> None:
    """Complain (with the end of a code, and a message) where a field set is no selection of a type.

    `arguments`: whether its fields may have arguments; that is a question only where it is a selection.
    """
    found = list(_misfits(schema, type_name, fields, arguments))
    broken = any(code == "INVALID_FIELDS" for code, _ in found)
    for code, message in found:
        if not (broken and code == "FIELDS_HAS_ARGS"):
            complain(code, message)


def _misfits(
    schema: SubgraphSchema, type_name: str, fields: FieldSet, arguments: bool
) -> Iterator[tuple[str, str]]:
    for item in fields:
        if unknown := [name for name in item.directives if name not in ("skip", "include")]:
            yield ("INVALID_FIELDS", f"there is no directive @{unknown[0]} that could stand in a field set")
        elif item.directives:
            yield ("DIRECTIVE_IN_FIELDS_ARG", "a field set can't hold directives")
        if not isinstance(item, FieldSetField):
            parent = schema.types.get(type_name)
            if parent is not None and parent.interface_object and item.type_condition not in schema.types:
                yield from _misfits(schema, type_name, item.selections, arguments)
            elif item.type_condition and item.type_condition not in schema.types:
                yield ("INVALID_FIELDS", f"there is no type {item.type_condition}")
            else:
                yield from _misfits(schema, item.type_condition or type_name, item.selections, arguments)
            continue
        if item.alias:
            yield ("INVALID_FIELDS", f'"{item.alias}: {item.name}": a field set can\'t hold aliases')
        if item.name == TYPENAME:
            continue
        parent = schema.types.get(type_name)
        found = parent.fields.get(item.name) if parent else None
        if found is None:
            yield ("INVALID_FIELDS", f"{type_name} has no field {item.name}")
            continue
        unknown_arguments = [name for name, _ in item.arguments if name not in found.arguments]
        if unknown_arguments and not arguments:
            yield ("INVALID_FIELDS", f"{type_name}.{item.name} has no argument {unknown_arguments[0]}")
        elif found.arguments and not arguments and not item.alias:
            yield ("FIELDS_HAS_ARGS", f"{type_name}.{item.name} has arguments")
        if any("$" in value for _, value in item.arguments):
            yield ("INVALID_FIELDS", f"{type_name}.{item.name}: a field set can't hold variables")
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
    """Complain about arguments that don't fit and fragments that can't apply, by GraphQL's own rules."""
    if _only_fields(fields) and not any(
        one.arguments for _, one, _ in used_fields(schema, type_name, fields)
    ):
        return  # nothing that these rules look at
    document = parse(f"fragment F on {type_name} {{ {print_field_set(fields)} }}", no_location=True)
    for error in validate(schema.graphql, document, _SPECIFIED):
        complain("INVALID_FIELDS", error.message)


def _only_fields(fields: FieldSet) -> bool:
    return all(isinstance(item, FieldSetField) and _only_fields(item.selections) for item in fields)


def leaves_not_external(
    schema: SubgraphSchema, type_name: str, fields: FieldSet, known: bool = False
) -> Iterator[str]:
    """The leaves of a field set that the subgraph resolves itself.

    Neither they nor anything above them is @external. A field of an interface with a selection counts as
    @external where that of an implementation is: there the selection says something. Of __typename only one
    below something @external does.
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
    """The objects behind an interface of a subgraph, each with its field of a name; none for other types."""
    item = schema.types.get(type_name)
    for member in sorted(schema.possible(type_name)) if item and item.kind == "interface" else ():
        below = schema.types.get(member)
        if below is not None and name in below.fields:
            yield member, below.fields[name]


def _is_external_below(schema: SubgraphSchema, type_name: str, name: str) -> bool:
    return any(one.external for _, one in implementations(schema, type_name, name))
