"""@authenticated, @requiresScopes and @policy stand on what is resolved, not on interfaces.

Those take it from their objects.
"""

from gateway.compose.diagnostics import Report
from gateway.compose.model import Metadata, SubgraphSchema
from gateway.federation.carried import ACCESS


def check_access(schema: SubgraphSchema, report: Report) -> None:
    """Check where access is restricted in a subgraph."""
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
                        f"@{applied.local} can't stand on {coordinate}; put it on the implementing types"
                    )
                    code = "AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE"
                    report.error(code, message, subgraph=schema.name, coordinate=coordinate, node=item.node)
