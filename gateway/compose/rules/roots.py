"""Root types: a type with the name of a root is the root."""

from gateway.compose.diagnostics import Report
from gateway.compose.model import ROOT_NAMES, SubgraphSchema


def check_roots(schema: SubgraphSchema, report: Report) -> None:
    """Refuse a type called Query (Mutation, Subscription) beside a root of another name."""
    for kind, name in ROOT_NAMES.items():
        if name in schema.types and kind not in schema.roots:
            message = f"the type {name} is not the {kind} root"
            code = f"ROOT_{kind.upper()}_USED"
            report.error(code, message, subgraph=schema.name, coordinate=name, node=schema.types[name].node)
