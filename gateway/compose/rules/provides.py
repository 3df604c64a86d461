"""@provides: its fields are a selection of the field's type, without arguments, and external here."""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import check_selection, used_fields
from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef


def check_provides(schema: SubgraphSchema, report: Report) -> None:
    """Check every @provides of a subgraph."""
    for item in schema.types.values():
        for one in item.fields.values():
            if one.provides is not None:
                _check(schema, item, one, report)


def _check(schema: SubgraphSchema, item: TypeDef, one: FieldDef, report: Report) -> None:
    coordinate = f"{item.name}.{one.name}"

    def complain(code: str, message: str) -> None:
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
    used = list(used_fields(schema, target.name, fields))
    if schema.federation is not None and used and not any(found.external for _, found, _ in used):
        names = ", ".join(f"{parent}.{found.name}" for parent, found, leaf in used if leaf)
        complain("FIELDS_MISSING_EXTERNAL", f"{names} is not @external here")
