"""A shared field of an abstract type must be able to return the same objects, whichever subgraph is asked."""

from collections.abc import Sequence

from gateway.compose.diagnostics import Report
from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef


def check_runtime_types(
    coordinate: str, reference: str, sides: Sequence[tuple[SubgraphSchema, TypeDef, FieldDef]], report: Report
) -> None:
    """SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES where no object type is common to all; a hint where some are not."""
    sides = [side for side in sides if side[1].kind == "object"]
    if len(sides) < 2:
        return
    possible = {schema.name: schema.possible(one.type_name) for schema, _, one in sides}
    for schema, _, one in sides:
        below = schema.types.get(one.type_name)
        if below is None or below.kind not in ("interface", "union"):
            return
    sets = list(possible.values())
    if all(one == sets[0] for one in sets):
        return
    shown = "; ".join(f"{', '.join(sorted(types)) or 'nothing'} in {name}" for name, types in possible.items())
    message = f"{coordinate} is shared, but may be {shown}"
    if not frozenset.intersection(*sets):
        report.error("SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES", message, coordinate=coordinate, node=sides[0][2].node)
    else:
        report.hint("INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN", message, coordinate)
