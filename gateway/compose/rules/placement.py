"""The rule for @override, @shareable and @external: where they may be, and what they may be combined with."""

from gateway.compose.diagnostics import Report
from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef


def check_placement(schema: SubgraphSchema, report: Report) -> None:
    """Report @override, @shareable and @external where they have no meaning or contradict other
    directives.
    """
    for item in schema.types.values():
        for one in item.fields.values():
            for code, message in _complaints(schema, item, one):
                coordinate = f"{item.name}.{one.name}"
                report.error(
                    code,
                    f"{coordinate}: {message}",
                    subgraph=schema.name,
                    coordinate=coordinate,
                    node=one.node,
                )


def _complaints(schema: SubgraphSchema, item: TypeDef, one: FieldDef) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if one.override is not None:
        if item.kind == "interface":
            found.append(("OVERRIDE_ON_INTERFACE", "@override is not allowed on a field of an interface"))
        if one.override == schema.name:
            found.append(("OVERRIDE_FROM_SELF_ERROR", f'@override names its own subgraph "{schema.name}"'))
        if one.external:
            found.append(
                ("OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE", "@override can't be combined with @external")
            )
    if one.external and schema.federation is not None:
        if one.provides is not None:
            message = "@external can't be combined with @provides"
            found.append(("EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE", message))
        if (
            one.metadata.applied
            or one.metadata.tags
            or one.metadata.inaccessible
            or one.metadata.deprecated is not None
        ):
            message = (
                "a merged directive has no effect beside @external; apply it where the field is resolved"
            )
            found.append(("MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL", message))
    if item.kind == "interface" and one.shareable and schema.federation is not None and not item.keys:
        found.append(("INVALID_SHAREABLE_USAGE", "@shareable is not allowed on a field of an interface"))
    return found
