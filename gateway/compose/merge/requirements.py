"""Checks the arguments in @requires: the required field must accept them in all subgraphs that have it."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.compose.diagnostics import Report
from gateway.compose.merged import MergedField, MergedType
from gateway.compose.model import SubgraphSchema
from gateway.federation.field_set import FieldSet, FieldSetField


def check_requirements(
    types: Mapping[str, MergedType], schemas: Sequence[SubgraphSchema], report: Report
) -> None:
    """Report REQUIRES_INVALID_FIELDS for an argument in a @requires that the merged field does not have."""
    for schema in schemas:
        for item in schema.types.values():
            for one in item.fields.values():
                for problem in _unknown_arguments(types, item.name, one.requires or ()):
                    coordinate = f"{item.name}.{one.name}"
                    text = f"@requires on {coordinate}: {problem}"
                    where = {"subgraph": schema.name, "coordinate": coordinate}
                    report.error("REQUIRES_INVALID_FIELDS", text, node=one.node, **where)


def _unknown_arguments(types: Mapping[str, MergedType], type_name: str, fields: FieldSet) -> Iterator[str]:
    for item in fields:
        if not isinstance(item, FieldSetField):
            yield from _unknown_arguments(types, item.type_condition or type_name, item.selections)
            continue
        found = _field(types, type_name, item.name)
        if found is None:
            continue
        known = {one.name for one in found.arguments}
        for name, _ in item.arguments:
            if name not in known:
                yield f"{type_name}.{item.name} has no argument {name} in all of its subgraphs"
        yield from _unknown_arguments(types, found.type.strip("[]!"), item.selections)


def _field(types: Mapping[str, MergedType], type_name: str, name: str) -> MergedField | None:
    item = types.get(type_name)
    return next((one for one in item.fields if one.name == name), None) if item else None
