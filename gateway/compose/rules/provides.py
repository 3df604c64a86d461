"""@provides: its fields are a selection of the field's type, without arguments, and external here."""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import check_arguments, check_selection, leaves_not_external
from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef


def check_provides(schema: SubgraphSchema, report: Report) -> None:
    """Check every @provides of a subgraph."""
    for item in schema.types.values():
        for one in item.fields.values():
            if one.provides is not None:
                _check(schema, item, one, report)


def _check(schema: SubgraphSchema, item: TypeDef, one: FieldDef, report: Report) -> None:
    coordinate = f"{item.name}.{one.name}"

    complaints: list[str] = []

    def complain(code: str, message: str) -> None:
        complaints.append(code)
        text = f"@provides on {coordinate}: {message}"
        report.error(f"PROVIDES_{code}", text, subgraph=schema.name, coordinate=coordinate, node=one.node)

    target = schema.types.get(one.type_name)
    if item.kind == "interface":
        complain("UNSUPPORTED_ON_INTERFACE", "it can't stand on a field of an interface")
        return
    if target is None or target.kind not in ("object", "interface", "union"):
        complain("ON_NON_OBJECT_FIELD", f"{one.type} has no fields")
        return
    fields = one.provides or ()
    if not fields:
        complain("INVALID_FIELDS", "its fields are empty")
    check_selection(schema, target.name, fields, complain, arguments=False)
    if not complaints:
        check_arguments(schema, target.name, fields, complain)
    for leaf in leaves_not_external(schema, target.name, fields) if schema.federation is not None else ():
        complain("FIELDS_MISSING_EXTERNAL", f"{leaf} is not @external here")
