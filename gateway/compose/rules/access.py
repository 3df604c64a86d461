"""The rule for @authenticated, @requiresScopes and @policy: they are not allowed on interfaces.

Interfaces inherit the access requirements of their objects (`compose.access`).
"""

from gateway.compose.diagnostics import Report
from gateway.compose.model import Metadata, SubgraphSchema
from gateway.federation.carried import ACCESS


def check_access(schema: SubgraphSchema, report: Report) -> None:
    """Report access requirements on interfaces, on their fields, and on @interfaceObject types."""
    for item in schema.types.values():
        guarded: list[tuple[str, Metadata]] = []
        if item.kind == "interface" or item.interface_object:
            guarded.append((item.name, item.metadata))
        if item.kind == "interface":
            guarded += [(f"{item.name}.{one.name}", one.metadata) for one in item.fields.values()]
        for coordinate, metadata in guarded:
            for applied in metadata.applied:
                if applied.spec and applied.name in ACCESS:
                    message = (
                        f"@{applied.local} is not allowed on {coordinate}; apply it to the implementing types"
                    )
                    code = "AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE"
                    report.error(code, message, subgraph=schema.name, coordinate=coordinate, node=item.node)
