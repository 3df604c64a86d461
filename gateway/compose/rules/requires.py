"""@requires: its fields are a selection of the type, and external here."""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import check_selection, used_fields
from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef


def check_requires(schema: SubgraphSchema, report: Report) -> None:
    """Check every @requires of a subgraph."""
    for item in schema.types.values():
        for one in item.fields.values():
            if one.requires is not None:
                _check(schema, item, one, report)


def _check(schema: SubgraphSchema, item: TypeDef, one: FieldDef, report: Report) -> None:
    coordinate = f"{item.name}.{one.name}"

    def complain(code: str, message: str) -> None:
        text = f"@requires on {coordinate}: {message}"
        report.error(f"REQUIRES_{code}", text, subgraph=schema.name, coordinate=coordinate, node=one.node)

    if item.kind == "interface":
        complain("UNSUPPORTED_ON_INTERFACE", "it can't stand on a field of an interface")
        return
    fields = one.requires or ()
    if not fields:
        complain("INVALID_FIELDS", "its fields are empty")
    check_selection(schema, item.name, fields, complain, arguments=True)
    if schema.federation is None:
        return
    used = list(used_fields(schema, item.name, fields))
    if used and not any(found.external for _, found, _ in used):
        names = ", ".join(f"{parent}.{found.name}" for parent, found, leaf in used if leaf)
        complain("FIELDS_MISSING_EXTERNAL", f"{names} is not @external here")
