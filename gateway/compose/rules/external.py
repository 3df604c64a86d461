"""@external: used by something in the subgraph, and not on interfaces."""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import mentioned_fields
from gateway.compose.model import SubgraphSchema


def check_external(schema: SubgraphSchema, report: Report) -> None:
    """Check every @external of a subgraph. Federation 1 let unused ones stand."""
    used = mentioned_fields(schema)
    for item in schema.types.values():
        for one in item.fields.values():
            coordinate = f"{item.name}.{one.name}"
            if not one.external:
                continue
            if item.kind == "interface":
                message = f"@external on {coordinate}: it can't stand on a field of an interface"
                report.error(
                    "EXTERNAL_ON_INTERFACE", message, subgraph=schema.name, coordinate=coordinate, node=one.node
                )
            if schema.federation is not None and (item.name, one.name) not in used:
                message = f"{coordinate} is @external, but no @key, @requires or @provides uses it"
                report.error("EXTERNAL_UNUSED", message, subgraph=schema.name, coordinate=coordinate, node=one.node)
