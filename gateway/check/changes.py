"""The changes between two API schemas, each with its coordinate and its level.

Breaking: a valid operation may become invalid, or its response may have another shape. Dangerous: operations
stay valid, but clients may receive values that they do not expect. Safe: all other changes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
    print_ast,
)
from graphql.language.ast import ConstValueNode

from gateway.federation.values import same_value

Level = Literal["breaking", "dangerous", "safe"]
Composite = GraphQLObjectType | GraphQLInterfaceType


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change.

    `coordinate`: what an operation must use to be affected, as a schema coordinate such as
    `Type.field(argument:)`. `used_by`: the names of the checked operations that use it.
    """

    level: Level
    coordinate: str
    message: str
    used_by: tuple[str, ...] = ()


def compare(old: GraphQLSchema, new: GraphQLSchema) -> tuple[SchemaChange, ...]:
    """Return every change from the old to the new schema, sorted by coordinate."""
    found = [*_types(old, new), *_roots(old, new), *_directives(old, new)]
    return tuple(sorted(found, key=lambda change: (change.coordinate, change.message)))


def _named(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    return {
        name: item
        for name, item in schema.type_map.items()
        if not is_introspection_type(item) and not is_specified_scalar_type(item)
    }


def _types(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[SchemaChange]:
    before, after = _named(old), _named(new)
    for name in before.keys() - after.keys():
        yield SchemaChange("breaking", name, f"the type {name} was removed")
    for name in after.keys() - before.keys():
        yield SchemaChange("safe", name, f"the type {name} was added")
    for name in before.keys() & after.keys():
        one, other = before[name], after[name]
        if type(one) is not type(other):
            yield SchemaChange("breaking", name, f"{name} was {_kind(one)} and is {_kind(other)}")
            continue
        if (one.description or "") != (other.description or ""):
            yield SchemaChange("safe", name, f"the description of {name} changed")
        for kind, compare_kind in _KINDS:
            if isinstance(one, kind):
                yield from compare_kind(one, other)


def _kind(item: GraphQLNamedType) -> str:
    words = {
        "GraphQLObjectType": "an object",
        "GraphQLInputObjectType": "an input",
        "GraphQLEnumType": "an enum",
    }
    words |= {
        "GraphQLInterfaceType": "an interface",
        "GraphQLUnionType": "a union",
        "GraphQLScalarType": "a scalar",
    }
    return words[type(item).__name__]


def _fields(one: Composite, other: Composite) -> Iterator[SchemaChange]:
    for name in one.fields.keys() - other.fields.keys():
        yield SchemaChange("breaking", f"{one.name}.{name}", f"the field {one.name}.{name} was removed")
    for name in other.fields.keys() - one.fields.keys():
        yield SchemaChange("safe", f"{one.name}.{name}", f"the field {one.name}.{name} was added")
    for name in one.fields.keys() & other.fields.keys():
        coordinate = f"{one.name}.{name}"
        before, after = one.fields[name], other.fields[name]
        if str(before.type) != str(after.type):
            level: Level = "safe" if _narrower(str(before.type), str(after.type)) else "breaking"
            yield SchemaChange(level, coordinate, f"{coordinate} was {before.type} and is {after.type}")
        if before.deprecation_reason is None and after.deprecation_reason is not None:
            yield SchemaChange("safe", coordinate, f"{coordinate} is deprecated: {after.deprecation_reason}")
        yield from _arguments(coordinate, before.args, after.args)
    yield from _interfaces(one, other)


def _interfaces(one: Composite, other: Composite) -> Iterator[SchemaChange]:
    before = {item.name for item in one.interfaces}
    after = {item.name for item in other.interfaces}
    for name in before - after:
        for touched in (one.name, name):
            yield SchemaChange("breaking", touched, f"{one.name} no longer implements {name}")
    for name in after - before:
        yield SchemaChange(
            "dangerous",
            name,
            f"{one.name} implements {name}: fragments and type switches may receive a new type",
        )


def _arguments(
    coordinate: str, before: Mapping[str, GraphQLArgument], after: Mapping[str, GraphQLArgument]
) -> Iterator[SchemaChange]:
    for name in before.keys() - after.keys():
        yield SchemaChange(
            "breaking", f"{coordinate}({name}:)", f"the argument {coordinate}({name}:) was removed"
        )
    for name in after.keys() - before.keys():
        place = f"{coordinate}({name}:)"
        if _required(after[name]):
            yield SchemaChange("breaking", coordinate, f"{place} was added and is required")
        else:
            yield SchemaChange("safe", place, f"the argument {place} was added")
    for name in before.keys() & after.keys():
        yield from _value(f"{coordinate}({name}:)", coordinate, before[name], after[name])


def _value(
    place: str,
    owner: str,
    before: GraphQLArgument | GraphQLInputField,
    after: GraphQLArgument | GraphQLInputField,
) -> Iterator[SchemaChange]:
    """Yield the changes of an argument or input field. Values that were accepted must still be accepted.

    `place`: its coordinate. `owner`: that of its field, directive or type; if it becomes required, every use
    of the owner is affected.
    """
    if str(before.type) != str(after.type):
        if _narrower(str(after.type), str(before.type)):
            yield SchemaChange("safe", place, f"{place} was {before.type} and is {after.type}")
        else:
            touched = owner if _required(after) and not _required(before) else place
            yield SchemaChange("breaking", touched, f"{place} was {before.type} and is {after.type}")
    elif _required(after) and not _required(before):
        yield SchemaChange("breaking", owner, f"{place} lost its default and is required")
    if not same_value(_default_node(before), _default_node(after)):
        message = f"the default of {place} was {_default(before)} and is {_default(after)}"
        yield SchemaChange("dangerous", owner, message)


def _default(item: GraphQLArgument | GraphQLInputField) -> str:
    node = _default_node(item)
    return print_ast(node) if node else "none"


def _default_node(item: GraphQLArgument | GraphQLInputField) -> ConstValueNode | None:
    return item.ast_node.default_value if item.ast_node else None


def _required(item: GraphQLArgument | GraphQLInputField) -> bool:
    return str(item.type).endswith("!") and _default(item) == "none"


def _narrower(wide: str, narrow: str) -> bool:
    """Return whether `narrow` is the type reference `wide` with more non-null, or equal to it."""
    if narrow.endswith("!"):
        return _narrower(wide.removesuffix("!"), narrow[:-1])
    if wide.endswith("!"):
        return False
    if wide.startswith("[") and narrow.startswith("["):
        return _narrower(wide[1:-1], narrow[1:-1])
    return wide == narrow


def _inputs(one: GraphQLInputObjectType, other: GraphQLInputObjectType) -> Iterator[SchemaChange]:
    for name in one.fields.keys() - other.fields.keys():
        yield SchemaChange("breaking", f"{one.name}.{name}", f"the input field {one.name}.{name} was removed")
    for name in other.fields.keys() - one.fields.keys():
        if _required(other.fields[name]):
            yield SchemaChange(
                "breaking", one.name, f"the input field {one.name}.{name} was added and is required"
            )
        else:
            yield SchemaChange("safe", f"{one.name}.{name}", f"the input field {one.name}.{name} was added")
    for name in one.fields.keys() & other.fields.keys():
        yield from _value(f"{one.name}.{name}", one.name, one.fields[name], other.fields[name])


def _enums(one: GraphQLEnumType, other: GraphQLEnumType) -> Iterator[SchemaChange]:
    for name in one.values.keys() - other.values.keys():
        yield SchemaChange("breaking", f"{one.name}.{name}", f"the value {one.name}.{name} was removed")
    for name in other.values.keys() - one.values.keys():
        yield SchemaChange(
            "dangerous", one.name, f"the value {one.name}.{name} was added: clients may not know it"
        )


def _unions(one: GraphQLUnionType, other: GraphQLUnionType) -> Iterator[SchemaChange]:
    before, after = {item.name for item in one.types}, {item.name for item in other.types}
    for name in before - after:
        yield SchemaChange("breaking", f"{one.name}|{name}", f"{name} is no longer a member of {one.name}")
    for name in after - before:
        yield SchemaChange(
            "dangerous", one.name, f"{name} is a new member of {one.name}: clients may not know it"
        )


def _roots(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[SchemaChange]:
    for word in ("query", "mutation", "subscription"):
        before, after = getattr(old, f"{word}_type"), getattr(new, f"{word}_type")
        if before is not None and after is not None and before.name != after.name:
            yield SchemaChange(
                "breaking", before.name, f"the {word} root was {before.name} and is {after.name}"
            )


def _directives(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[SchemaChange]:
    before = {item.name: item for item in old.directives if not is_specified_directive(item)}
    after = {item.name: item for item in new.directives if not is_specified_directive(item)}
    for name in before.keys() - after.keys():
        yield SchemaChange("breaking", f"@{name}", f"the directive @{name} was removed")
    for name in after.keys() - before.keys():
        yield SchemaChange("safe", f"@{name}", f"the directive @{name} was added")
    for name in before.keys() & after.keys():
        if before[name].is_repeatable and not after[name].is_repeatable:
            yield SchemaChange("breaking", f"@{name}", f"@{name} is no longer repeatable")
        for place in _gone(before[name].locations, after[name].locations):
            yield SchemaChange("breaking", f"@{name}", f"@{name} is no longer allowed on {place}")
        yield from _arguments(f"@{name}", before[name].args, after[name].args)


def _gone(before: Iterable[object], after: Iterable[object]) -> list[str]:
    """Return the locations that are in `before` only."""
    return sorted(
        {str(getattr(item, "name", item)) for item in before}
        - {str(getattr(item, "name", item)) for item in after}
    )


_KINDS: tuple[tuple[type[GraphQLNamedType], Callable[..., Iterator[SchemaChange]]], ...] = (
    (GraphQLObjectType, _fields),
    (GraphQLInterfaceType, _fields),
    (GraphQLInputObjectType, _inputs),
    (GraphQLEnumType, _enums),
    (GraphQLUnionType, _unions),
)
