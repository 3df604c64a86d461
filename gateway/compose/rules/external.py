"""@external: used by something in the subgraph, and not on interfaces."""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import used_fields
from gateway.compose.model import SubgraphSchema


def check_external(schema: SubgraphSchema, report: Report) -> None:
    """Check every @external of a subgraph. Federation 1 let unused ones stand."""
    used = _used(schema)
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
            elif schema.federation is not None and (item.name, one.name) not in used:
                message = f"{coordinate} is @external, but no @key, @requires or @provides uses it"
                report.error("EXTERNAL_UNUSED", message, subgraph=schema.name, coordinate=coordinate, node=one.node)


def _used(schema: SubgraphSchema) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()

    def note(type_name: str, fields: object) -> None:
        if isinstance(fields, tuple):
            found.update((parent, one.name) for parent, one, _ in used_fields(schema, type_name, fields))

    for item in schema.types.values():
        for key in item.keys:
            note(item.name, key.fields)
        for one in item.fields.values():
            note(item.name, one.requires)
            note(one.type_name, one.provides)
    # what is used on an interface is used on its implementations, and what an interface has must be there
    for item in schema.types.values():
        for interface in item.interfaces:
            above = schema.types.get(interface)
            found.update((item.name, name) for name in (above.fields if above else ()))
    return found
