"""@inaccessible must leave a schema that stands on its own: nothing visible refers to what is hidden."""

from gateway.compose.diagnostics import Report
from gateway.compose.merged import MergedField, MergedSchema, MergedType


def check_inaccessible(merged: MergedSchema, report: Report) -> None:
    """Check every visible element of the merged schema."""
    hidden = {name for name, item in merged.types.items() if item.marks.inaccessible}
    if merged.roots.get("query") in hidden:
        report.error("QUERY_ROOT_TYPE_INACCESSIBLE", "the query root is @inaccessible", coordinate="Query")
    for item in merged.types.values():
        if item.name not in hidden:
            _check_type(item, hidden, report)


def _check_type(item: MergedType, hidden: set[str], report: Report) -> None:
    children = [one.marks for one in item.fields] + [one.marks for one in item.inputs]
    children += [marks for _, marks, _ in item.values]
    members = [name for name, _ in item.members]
    none_left = (children and all(one.inaccessible for one in children)) or (members and set(members) <= hidden)
    if none_left:
        message = f"{item.name} is visible, but everything in it is @inaccessible"
        report.error("ONLY_INACCESSIBLE_CHILDREN", message, coordinate=item.name)
    for one in item.fields:
        if not one.marks.inaccessible:
            _check_field(f"{item.name}.{one.name}", one, hidden, report)
    for value in item.inputs:
        coordinate = f"{item.name}.{value.name}"
        if value.marks.inaccessible and value.type.endswith("!") and value.default is None:
            message = f"{coordinate} is @inaccessible, but required"
            report.error("REQUIRED_INACCESSIBLE", message, coordinate=coordinate)
        elif not value.marks.inaccessible:
            _check_reference(coordinate, value.type, hidden, report)


def _check_field(coordinate: str, one: MergedField, hidden: set[str], report: Report) -> None:
    _check_reference(coordinate, one.type, hidden, report)
    for argument in one.arguments:
        place = f"{coordinate}({argument.name}:)"
        if argument.marks.inaccessible and argument.type.endswith("!") and argument.default is None:
            report.error("REQUIRED_INACCESSIBLE", f"{place} is @inaccessible, but required", coordinate=place)
        elif not argument.marks.inaccessible:
            _check_reference(place, argument.type, hidden, report)


def _check_reference(coordinate: str, reference: str, hidden: set[str], report: Report) -> None:
    name = reference.strip("[]!")
    if name in hidden:
        message = f"{coordinate} is visible, but its type {name} is @inaccessible"
        report.error("REFERENCED_INACCESSIBLE", message, coordinate=coordinate)
