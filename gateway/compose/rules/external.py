"""The rule for @external: the field must be used by another directive, and must not be on an interface."""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import mentioned_fields
from gateway.compose.model import SubgraphSchema

_FIELD_SETS = (
    "KEY_INVALID",
    "REQUIRES_INVALID",
    "PROVIDES_INVALID",
    "PROVIDES_ON_NON_OBJECT",
    "CONTEXT_INVALID",
)


def check_external(schema: SubgraphSchema, report: Report) -> None:
    """Report each @external field of an interface, and each that no directive of the subgraph uses.

    Unused fields are not reported if some field set of the subgraph is invalid, since its fields are unknown.
    """
    broken = any(one.subgraph == schema.name and one.code.startswith(_FIELD_SETS) for one in report.problems)
    used = mentioned_fields(schema)
    for item in schema.types.values():
        for one in item.fields.values():
            coordinate = f"{item.name}.{one.name}"
            if not one.external:
                continue
            if item.kind == "interface":
                message = f"@external on {coordinate}: it is not allowed on a field of an interface"
                report.error(
                    "EXTERNAL_ON_INTERFACE",
                    message,
                    subgraph=schema.name,
                    coordinate=coordinate,
                    node=one.node,
                )
            if schema.federation is not None and not broken and (item.name, one.name) not in used:
                message = f"{coordinate} is @external, but no @key, @requires or @provides uses it"
                report.error(
                    "EXTERNAL_UNUSED", message, subgraph=schema.name, coordinate=coordinate, node=one.node
                )
