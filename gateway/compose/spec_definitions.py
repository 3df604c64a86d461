"""A subgraph may define the elements of the specs that it links itself, as libraries do.

Then nearly as the spec has them: other names of scalars, more non-null arguments, fewer locations and a
lack of optional arguments change nothing for composition, and libraries differ in all of these.

Example: `directive @key(resolvable: Boolean! = true, fields: String!) repeatable on OBJECT` is accepted, and
holds from then on: a @key on an interface of the same subgraph is refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

from graphql import parse, print_ast, specified_scalar_types
from graphql.language import (
    DefinitionNode,
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    InputValueDefinitionNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    TypeNode,
)

from gateway.compose.diagnostics import Report
from gateway.compose.links import SPECS, Links, identity_of
from gateway.federation.values import same_value
from gateway.supergraph.model import named

LINK = """directive @link(
  url: String, as: String, for: link__Purpose, import: [link__Import]
) repeatable on SCHEMA"""
_FED1_FIELDS = ("String", "_FieldSet", "FieldSet")


def without_old_mistakes(nodes: Iterable[DefinitionNode], links: Links) -> list[DefinitionNode]:
    """The definitions of an SDL, without those of Federation 1 that libraries were known to write wrongly.

    There @key, @requires and @provides without arguments, or with nullable `fields` alone, mean the spec's.
    """
    return [node for node in nodes if links.federation is not None or not _old_mistake(node)]


def _old_mistake(node: DefinitionNode) -> bool:
    if not isinstance(node, DirectiveDefinitionNode) or node.name.value not in (
        "key",
        "requires",
        "provides",
    ):
        return False
    arguments = {one.name.value: print_ast(one.type) for one in node.arguments or ()}
    return not arguments or (arguments.keys() == {"fields"} and arguments["fields"] in _FED1_FIELDS)


def check_spec_definitions(
    nodes: Sequence[DefinitionNode], links: Links, subgraph: str, report: Report
) -> None:
    """Report DIRECTIVE_DEFINITION_INVALID and TYPE_DEFINITION_INVALID where a definition is not the
    spec's.
    """
    before = report.count
    for node in nodes:
        for name in _unknown_types(node, nodes) if isinstance(node, DirectiveDefinitionNode) else ():
            report.error("INVALID_GRAPHQL", f"Unknown type '{name}'", subgraph=subgraph, node=node)
    if report.count > before:
        return
    nodes = without_old_mistakes(nodes, links)
    scalars = links.scalars()
    link = next((one for one in nodes if _is_definition(one, "link")), None)
    checks_link = _is_linked(links) and not (link and _is_bootstrap(link, links))
    _check_directives(nodes, links, checks_link, subgraph, report)
    for item in nodes:
        if isinstance(item, TypeDefinitionNode) and (message := _misfit(item, scalars, checks_link)):
            report.error("TYPE_DEFINITION_INVALID", message, subgraph=subgraph, node=item)


def _check_directives(
    nodes: Sequence[DefinitionNode], links: Links, checks_link: bool, subgraph: str, report: Report
) -> None:
    own = {node.name.value for node in nodes if isinstance(node, ScalarTypeDefinitionNode)}
    custom = (links.scalars() | own | {"link__Import"}) - specified_scalar_types.keys()
    for node in nodes:
        if not isinstance(node, DirectiveDefinitionNode):
            continue
        name = node.name.value
        wanted = _spec(links.definition(name)) if name in links.names else None
        if name == "link" and checks_link:
            wanted = _spec(LINK)
            for one in node.arguments or ():
                if (
                    one.name.value != "url"
                    and isinstance(one.type, NonNullTypeNode)
                    and not one.default_value
                ):
                    message = f"@link needs the argument {one.name.value} here, which a link may leave out"
                    report.error("INVALID_GRAPHQL", message, subgraph=subgraph, node=node)
        for message in _differences(node, wanted, custom) if wanted else ():
            text = f"@{name} is defined here, but not as its spec has it: {message}"
            report.error("DIRECTIVE_DEFINITION_INVALID", text, subgraph=subgraph, node=node)


def _is_definition(node: DefinitionNode, name: str) -> TypeGuard[DirectiveDefinitionNode]:
    return isinstance(node, DirectiveDefinitionNode) and node.name.value == name


def _unknown_types(node: DirectiveDefinitionNode, nodes: Sequence[DefinitionNode]) -> Iterator[str]:
    """The types of a directive's arguments that the SDL neither defines nor extends: those of specs, too."""
    known = {one.name.value for one in nodes if isinstance(one, TypeDefinitionNode | TypeExtensionNode)}
    for one in node.arguments or ():
        name = named(print_ast(one.type))
        if name not in known and name not in specified_scalar_types:
            yield name


def _is_linked(links: Links) -> bool:
    """Whether @link means the link spec's directive here, and not one that the subgraph made up itself."""
    return any(identity_of(one) in (f"{SPECS}link", f"{SPECS}federation") for one in links.features)


def _is_bootstrap(node: DirectiveDefinitionNode, links: Links) -> bool:
    """Whether a definition of @link is good enough to read the links by.

    Where the subgraph links the link spec itself, the rest of such a definition is its own affair.
    """
    given = {one.name.value: print_ast(one.type) for one in node.arguments or ()}
    return (
        any(identity_of(one) == f"{SPECS}link" for one in links.features)
        and given.get("as", "String") == "String"
        and given.get("url") in ("String", "String!")
        and node.repeatable
        and [one.value for one in node.locations] == ["SCHEMA"]
    )


def _misfit(node: TypeDefinitionNode, scalars: frozenset[str], checks_link: bool) -> str:
    """Why a type is not what a linked spec means by its name; empty when nothing is wrong."""
    name = node.name.value
    if name in scalars or (checks_link and name == "link__Import"):
        scalar = isinstance(node, ScalarTypeDefinitionNode)
        return "" if scalar else f"{name} is a scalar of a linked spec, and defined as something else here"
    if checks_link and name == "link__Purpose":
        values = node.values or () if isinstance(node, EnumTypeDefinitionNode) else ()
        fits = {one.name.value for one in values} == {"SECURITY", "EXECUTION"}
        return "" if fits else f"{name} must be an enum of SECURITY and EXECUTION, and is something else here"
    return ""


def _spec(text: str) -> DirectiveDefinitionNode | None:
    node = parse(text, no_location=True).definitions[0]
    return node if isinstance(node, DirectiveDefinitionNode) else None


def _differences(
    node: DirectiveDefinitionNode, wanted: DirectiveDefinitionNode, custom: frozenset[str]
) -> Iterator[str]:
    mine = {one.name.value: one for one in node.arguments or ()}
    theirs = {one.name.value: one for one in wanted.arguments or ()}
    for name, argument in theirs.items():
        if name in mine:
            yield from _argument_differences(mine[name], argument, custom)
        elif isinstance(argument.type, NonNullTypeNode) and argument.default_value is None:
            yield f"it lacks the argument {name}"
    yield from (f"the argument {name} is not known" for name in mine if name not in theirs)
    places = {one.value for one in node.locations}
    if extra := sorted(places - {one.value for one in wanted.locations}):
        yield f"it can't stand on {', '.join(extra)}"
    if node.repeatable and not wanted.repeatable:
        yield "it is not repeatable"
    if wanted.repeatable and not node.repeatable and node.name.value == "link":
        yield "it is repeatable"


def _argument_differences(
    mine: InputValueDefinitionNode, wanted: InputValueDefinitionNode, custom: frozenset[str]
) -> Iterator[str]:
    name = mine.name.value
    given: TypeNode = mine.type
    if isinstance(given, NonNullTypeNode) and not isinstance(wanted.type, NonNullTypeNode):
        given = given.type
    if not _may_stand_for(given, wanted.type, custom):
        yield f"the argument {name} is {print_ast(wanted.type)}, not {print_ast(mine.type)}"
    elif not isinstance(mine.type, NonNullTypeNode) and not same_value(
        mine.default_value, wanted.default_value
    ):
        due = print_ast(wanted.default_value) if wanted.default_value else "none"
        yield f"the argument {name} has another default than {due}"


def _may_stand_for(given: TypeNode, wanted: TypeNode, custom: frozenset[str]) -> bool:
    """Whether an argument may have a type in place of the spec's: anything but another custom scalar may
    stand for a scalar of the spec, inside the same lists.
    """
    if isinstance(wanted, ListTypeNode):
        return isinstance(given, ListTypeNode) and _may_stand_for(given.type, wanted.type, custom)
    if isinstance(wanted, NonNullTypeNode):
        return isinstance(given, NonNullTypeNode) and _may_stand_for(given.type, wanted.type, custom)
    if print_ast(given) == print_ast(wanted):
        return True
    other = isinstance(given, NamedTypeNode) and given.name.value in custom
    return isinstance(wanted, NamedTypeNode) and wanted.name.value in custom and not other
