"""Executable directives (those for operations): the supergraph has those that every subgraph defines.

They get the locations and arguments that all definitions have in common.
"""

from collections.abc import Collection, Iterator, Sequence

from graphql import parse_const_value, parse_type, print_ast
from graphql.language import DirectiveDefinitionNode, InputValueDefinitionNode, NameNode

from gateway.compose.diagnostics import Report
from gateway.compose.merge.inputs import merge_arguments
from gateway.compose.model import InputValue, Metadata, SubgraphSchema
from gateway.supergraph.api_schema import EXECUTABLE_LOCATIONS, copied


def executable_directives(
    schemas: Sequence[SubgraphSchema], composed: Collection[str], report: Report
) -> Iterator[tuple[str, str]]:
    """Yield (name, definition as SDL) of the merged executable directives.

    `composed`: the names of composed directives, which are skipped.
    """
    for name in dict.fromkeys(
        name for schema in schemas for name in schema.directives if name not in composed
    ):
        have = [(one, one.directives[name]) for one in schemas if name in one.directives]
        places = [{item.value for item in node.locations} & EXECUTABLE_LOCATIONS for _, node in have]
        if not any(places):
            continue
        coordinate = f"@{name}"
        if len(have) < len(schemas):
            shown = ", ".join(schema.name for schema, _ in have)
            message = f"{coordinate} is left out: only {shown} defines it"
            report.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE", message, coordinate)
            continue
        common = set.intersection(*places)
        if not common:
            message = f"{coordinate} is left out: its definitions have no location in common"
            report.hint("NO_EXECUTABLE_DIRECTIVE_INTERSECTION", message, coordinate)
            continue
        if any(one != places[0] for one in places):
            message = f"{coordinate} has different locations in different subgraphs"
            report.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS", message, coordinate)
        yield name, print_ast(_merged(have, common, coordinate, report))


def _merged(
    have: Sequence[tuple[SubgraphSchema, DirectiveDefinitionNode]],
    common: set[str],
    coordinate: str,
    report: Report,
) -> DirectiveDefinitionNode:
    nodes = [node for _, node in have]
    first = nodes[0]
    if len({node.repeatable for node in nodes}) > 1:
        message = f"{coordinate} is repeatable in some subgraphs only"
        report.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE", message, coordinate)
    sides = [
        (schema, {item.name.value: read_input(item) for item in node.arguments or ()})
        for schema, node in have
    ]
    kept = {one.name: one for one in merge_arguments(coordinate, sides, report)}
    arguments = []
    for item in first.arguments or ():
        if merged := kept.get(item.name.value):
            default = (
                parse_const_value(merged.default, no_location=True) if merged.default is not None else None
            )
            type_node = parse_type(merged.type, no_location=True)
            arguments.append(copied(item, type=type_node, default_value=default))
    return copied(
        first,
        repeatable=all(node.repeatable for node in nodes),
        locations=tuple(NameNode(value=item.value) for item in first.locations if item.value in common),
        arguments=tuple(arguments),
    )


def read_input(node: InputValueDefinitionNode) -> InputValue:
    """Return an argument of a directive definition as an InputValue."""
    default = print_ast(node.default_value) if node.default_value else None
    return InputValue(node.name.value, print_ast(node.type), default, Metadata(), node)
