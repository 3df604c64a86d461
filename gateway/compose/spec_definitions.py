"""A subgraph may define federation's own elements itself, as older libraries do.

Then as the spec has them.
"""

from collections.abc import Iterable, Mapping

from graphql import parse, print_ast
from graphql.language import (
    DefinitionNode,
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    InputValueDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
)

from gateway.compose.diagnostics import Report
from gateway.compose.links import Links
from gateway.federation.spec import BY_NAME

_LINK = "directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA"


def check_spec_definitions(
    nodes: Iterable[DefinitionNode], links: Links, subgraph: str, report: Report
) -> None:
    """Report DIRECTIVE_DEFINITION_INVALID and TYPE_DEFINITION_INVALID where a definition is not the
    spec's.
    """
    scalars = links.scalars()
    for node in nodes:
        if isinstance(node, EnumTypeDefinitionNode) and node.name.value == "link__Purpose":
            if {one.name.value for one in node.values or ()} != {"SECURITY", "EXECUTION"}:
                message = "link__Purpose is defined here, but not with the values SECURITY and EXECUTION"
                report.error("TYPE_DEFINITION_INVALID", message, subgraph=subgraph, node=node)
            continue
        if links.federation is None and getattr(getattr(node, "name", None), "value", "") != "tag":
            continue  # Federation 1 had no definitions to hold them against
        if isinstance(node, DirectiveDefinitionNode):
            wanted = _wanted(node.name.value, links, scalars)
            for message in _differences(node, wanted, scalars) if wanted else ():
                text = f"@{node.name.value} is defined here, but not as its spec has it: {message}"
                report.error("DIRECTIVE_DEFINITION_INVALID", text, subgraph=subgraph, node=node)
        elif isinstance(node, ScalarTypeDefinitionNode):
            continue
        elif isinstance(node, TypeDefinitionNode) and node.name.value in scalars.values():
            message = f"{node.name.value} is federation's scalar, and defined as something else here"
            report.error("TYPE_DEFINITION_INVALID", message, subgraph=subgraph, node=node)


def _wanted(name: str, links: Links, scalars: Mapping[str, str]) -> DirectiveDefinitionNode | None:
    canonical = links.names.get(name)
    if canonical is not None:
        text = BY_NAME[canonical].definition(name, links.version, scalars)
    elif name == "link":
        text = _LINK
    else:
        return None
    node = parse(text, no_location=True).definitions[0]
    return node if isinstance(node, DirectiveDefinitionNode) else None


def _differences(
    node: DirectiveDefinitionNode, wanted: DirectiveDefinitionNode, scalars: Mapping[str, str]
) -> list[str]:
    """A definition may leave out optional arguments and locations, and call a scalar of federation a
    String.
    """
    found = []
    mine = {one.name.value: one for one in node.arguments or ()}
    theirs = {one.name.value: one for one in wanted.arguments or ()}
    for name, argument in theirs.items():
        if name not in mine:
            if print_ast(argument.type).endswith("!"):
                found.append(f"it lacks the argument {name}")
            continue
        found.extend(_argument_differences(mine[name], argument, scalars))
    found.extend(f"the argument {name} is not known" for name in mine if name not in theirs)
    places = {one.value for one in node.locations}
    if extra := sorted(places - {one.value for one in wanted.locations}):
        found.append(f"it can't stand on {', '.join(extra)}")
    if node.repeatable and not wanted.repeatable:
        found.append("it is not repeatable")
    return found


def _argument_differences(
    mine: InputValueDefinitionNode, wanted: InputValueDefinitionNode, scalars: Mapping[str, str]
) -> list[str]:
    name, given, due = mine.name.value, print_ast(mine.type), print_ast(wanted.type)
    plain = due
    for scalar in scalars.values():
        plain = plain.replace(scalar, "String")
    optional = wanted.name.value == "url" and given == f"{due}!"
    if given not in (due, plain) and not optional:
        return [f"the argument {name} is {due}, not {given}"]
    if mine.default_value and (
        not wanted.default_value or print_ast(mine.default_value) != print_ast(wanted.default_value)
    ):
        return [f"the argument {name} has another default"]
    return []
