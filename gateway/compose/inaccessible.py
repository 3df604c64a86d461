"""Checks that the schema stays valid when its @inaccessible elements are hidden.

No visible element may refer to a hidden one.
"""

from collections.abc import Iterator, Mapping

from graphql import parse, parse_value, print_ast
from graphql.language import DirectiveDefinitionNode, EnumValueNode, ListValueNode, ObjectValueNode, ValueNode

from gateway.compose.diagnostics import Report
from gateway.compose.emit import BUILT_IN
from gateway.compose.merged import MergedField, MergedInput, MergedSchema, MergedType


def check_inaccessible(merged: MergedSchema, report: Report) -> None:
    """Report every visible element of the merged schema that refers to an @inaccessible one."""
    hidden = {
        name for name, item in merged.types.items() if item.metadata.inaccessible and name not in BUILT_IN
    }
    if merged.roots.get("query") in hidden:
        report.error("QUERY_ROOT_TYPE_INACCESSIBLE", "the query root is @inaccessible", coordinate="Query")
    _check_directives(merged, hidden, report)
    for item in merged.types.values():
        if item.name not in hidden:
            _check_type(item, hidden, report)
            _check_implemented(item, merged.types, hidden, report)
            for coordinate, value in _inputs(item):
                if not value.metadata.inaccessible:
                    _check_default(coordinate, value, merged.types, report)


def _check_directives(merged: MergedSchema, hidden: set[str], report: Report) -> None:
    """Report @inaccessible on arguments of directives, and directive arguments whose type is
    @inaccessible.
    """
    hiding = merged.names.get("inaccessible", "inaccessible")
    for text in (*merged.executable, *merged.composed.definitions):
        node = parse(text, no_location=True).definitions[0]
        if not isinstance(node, DirectiveDefinitionNode):
            continue
        for argument in node.arguments or ():
            place = f"@{node.name.value}({argument.name.value}:)"
            reference = print_ast(argument.type).strip("[]!")
            hides = any(one.name.value == hiding for one in argument.directives or ())
            if hides and text in merged.executable:
                continue
            if hides:
                message = (
                    f"{place} must not be @inaccessible: the directive would have another meaning without it"
                )
                report.error("DISALLOWED_INACCESSIBLE", message, coordinate=place)
            elif reference in hidden and reference.partition("__")[0] in merged.composed.namespaces:
                message = (
                    f"{reference} belongs to the spec of a composed directive and must not be @inaccessible"
                )
                report.error("DISALLOWED_INACCESSIBLE", message, coordinate=reference)
            else:
                _check_reference(place, reference, hidden, report)


def _check_type(item: MergedType, hidden: set[str], report: Report) -> None:
    children = [one.metadata for one in item.fields] + [one.metadata for one in item.inputs]
    children += [metadata for _, metadata, _ in item.values]
    members = [name for name, _ in item.members]
    none_left = (children and all(one.inaccessible for one in children)) or (
        members and set(members) <= hidden
    )
    if none_left:
        message = f"{item.name} is visible, but all of its elements are @inaccessible"
        report.error("ONLY_INACCESSIBLE_CHILDREN", message, coordinate=item.name)
    for one in item.fields:
        if not one.metadata.inaccessible:
            _check_field(f"{item.name}.{one.name}", one, hidden, report)
    for value in item.inputs:
        coordinate = f"{item.name}.{value.name}"
        if value.metadata.inaccessible and value.type.endswith("!") and value.default is None:
            message = f"{coordinate} is @inaccessible, but required"
            report.error("REQUIRED_INACCESSIBLE", message, coordinate=coordinate)
        elif not value.metadata.inaccessible:
            _check_reference(coordinate, value.type, hidden, report)


def _check_field(coordinate: str, one: MergedField, hidden: set[str], report: Report) -> None:
    _check_reference(coordinate, one.type, hidden, report)
    for argument in one.arguments:
        place = f"{coordinate}({argument.name}:)"
        if argument.metadata.inaccessible and argument.type.endswith("!") and argument.default is None:
            report.error("REQUIRED_INACCESSIBLE", f"{place} is @inaccessible, but required", coordinate=place)
        elif not argument.metadata.inaccessible:
            _check_reference(place, argument.type, hidden, report)


def _check_reference(coordinate: str, reference: str, hidden: set[str], report: Report) -> None:
    name = reference.strip("[]!")
    if name in hidden:
        message = f"{coordinate} is visible, but its type {name} is @inaccessible"
        report.error("REFERENCED_INACCESSIBLE", message, coordinate=coordinate)


def _check_implemented(
    item: MergedType, types: Mapping[str, MergedType], hidden: set[str], report: Report
) -> None:
    """Report a hidden field or argument of a visible type whose visible interface has it as visible."""
    fields = {one.name: one for one in item.fields}
    for name, _ in item.interfaces:
        above = types.get(name)
        for wanted in above.fields if above and name not in hidden else ():
            own = fields.get(wanted.name)
            if own is None or wanted.metadata.inaccessible:
                continue
            arguments = {one.name: one for one in own.arguments}
            inner = [
                arguments[one.name]
                for one in wanted.arguments
                if one.name in arguments and not one.metadata.inaccessible
            ]
            coordinate = f"{item.name}.{own.name}"
            if own.metadata.inaccessible or any(one.metadata.inaccessible for one in inner):
                message = (
                    f"{coordinate} is @inaccessible (or an argument of it), but {name}.{own.name} is visible"
                )
                report.error("IMPLEMENTED_BY_INACCESSIBLE", message, coordinate=coordinate)


def _inputs(item: MergedType) -> Iterator[tuple[str, MergedInput]]:
    for one in item.inputs:
        yield f"{item.name}.{one.name}", one
    for field in item.fields:
        if not field.metadata.inaccessible:
            for argument in field.arguments:
                yield f"{item.name}.{field.name}({argument.name}:)", argument


def _check_default(
    coordinate: str, value: MergedInput, types: Mapping[str, MergedType], report: Report
) -> None:
    """Report a visible argument or input field whose default contains a hidden enum value or input field."""
    if value.default is None:
        return
    for used in _hidden_in(parse_value(value.default, no_location=True), value.type.strip("[]!"), types):
        message = f"the default of {coordinate} uses {used}, which is @inaccessible"
        report.error("DEFAULT_VALUE_USES_INACCESSIBLE", message, coordinate=coordinate)


def _hidden_in(value: ValueNode, type_name: str, types: Mapping[str, MergedType]) -> Iterator[str]:
    item = types.get(type_name)
    if item is None:
        return
    if isinstance(value, ListValueNode):
        for one in value.values:
            yield from _hidden_in(one, type_name, types)
    elif isinstance(value, EnumValueNode):
        if any(name == value.value and metadata.inaccessible for name, metadata, _ in item.values):
            yield f"{type_name}.{value.value}"
    elif isinstance(value, ObjectValueNode):
        inputs = {one.name: one for one in item.inputs}
        for entry in value.fields or ():
            found = inputs.get(entry.name.value)
            if found is None:
                continue
            if found.metadata.inaccessible:
                yield f"{type_name}.{found.name}"
            yield from _hidden_in(entry.value, found.type.strip("[]!"), types)
