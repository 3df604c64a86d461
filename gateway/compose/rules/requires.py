"""@requires: its fields are a selection of the type, and external here."""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import check_arguments, check_selection, leaves_not_external
from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef


def check_requires(schema: SubgraphSchema, report: Report) -> None:
    """Check every @requires of a subgraph."""
    for item in schema.types.values():
        for one in item.fields.values():
            if one.requires is not None:
                _check(schema, item, one, report)


def _check(schema: SubgraphSchema, item: TypeDef, one: FieldDef, report: Report) -> None:
    coordinate = f"{item.name}.{one.name}"

    complaints: list[str] = []

    def complain(code: str, message: str) -> None:
        complaints.append(code)
        text = f"@requires on {coordinate}: {message}"
        report.error(f"REQUIRES_{code}", text, subgraph=schema.name, coordinate=coordinate, node=one.node)

    if item.kind == "interface":
        complain("UNSUPPORTED_ON_INTERFACE", "it can't stand on a field of an interface")
    fields = one.requires or ()
    if not fields:
        complain("INVALID_FIELDS", "its fields are empty")
    check_selection(schema, item.name, fields, complain, arguments=True)
    if not complaints:
        check_arguments(schema, item.name, fields, complain)
    if schema.federation is None:
        return
    for leaf in leaves_not_external(schema, item.name, fields):
        complain("FIELDS_MISSING_EXTERNAL", f"{leaf} is not @external here")
