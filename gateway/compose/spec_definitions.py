"""Checks the definitions of spec elements that a subgraph's SDL contains, because some libraries print them.

Small differences from the spec do not matter for composition, and libraries differ in all of them: other
scalar names, non-null arguments, fewer locations, missing optional arguments.

Example: `directive @key(resolvable: Boolean! = true, fields: String!) repeatable on OBJECT` is accepted and
used: then a @key on an interface of the same subgraph is refused.
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
_PURPOSES = {"SECURITY", "EXECUTION"}
_FED1_FIELDS = ("String", "_FieldSet", "FieldSet")


def without_old_mistakes(nodes: Iterable[DefinitionNode], links: Links) -> list[DefinitionNode]:
    """Return the definitions of an SDL without known wrong definitions of Federation 1 libraries.

    These define @key, @requires or @provides without arguments, or only with nullable `fields`. Without them,
    the spec's definition is used.
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
    """Report definitions that contradict their spec.

    The codes are DIRECTIVE_DEFINITION_INVALID and TYPE_DEFINITION_INVALID, and INVALID_GRAPHQL for unknown
    types.
    """
    before = report.count
    for node, name in _unknown_types(nodes):
        report.error("INVALID_GRAPHQL", f"Unknown type '{name}'", subgraph=subgraph, node=node)
    if report.count == before:
        check = _DefinitionCheck(without_old_mistakes(nodes, links), links, subgraph, report)
        check.directives()
        check.types()


def _unknown_types(nodes: Sequence[DefinitionNode]) -> Iterator[tuple[DirectiveDefinitionNode, str]]:
    """Yield (directive definition, type name) for each argument type that the SDL neither defines nor
    extends.
    """
    known = {one.name.value for one in nodes if isinstance(one, TypeDefinitionNode | TypeExtensionNode)}
    known |= specified_scalar_types.keys()
    for node in filter(_is_directive, nodes):
        for one in node.arguments or ():
            if (name := named(print_ast(one.type))) not in known:
                yield node, name


class _DefinitionCheck:
    """Compares the definitions of one subgraph with its linked specs.

    `custom`: the scalars whose names may differ from the spec's. `checks_link`: whether @link itself is
    compared.
    """

    def __init__(self, nodes: Sequence[DefinitionNode], links: Links, subgraph: str, report: Report) -> None:
        self.nodes = nodes
        self.links = links
        self.subgraph = subgraph
        self.report = report
        self.scalars = links.scalars()
        own = {node.name.value for node in nodes if isinstance(node, ScalarTypeDefinitionNode)}
        self.custom = (self.scalars | own | {"link__Import"}) - specified_scalar_types.keys()
        given = next((one for one in nodes if _is_directive(one) and one.name.value == "link"), None)
        self.checks_link = _is_linked(links) and not (given and _is_bootstrap(given, links))

    def directives(self) -> None:
        """Report directive definitions that contradict their spec."""
        for node in filter(_is_directive, self.nodes):
            name = node.name.value
            wanted = self.links.definition(name) if name in self.links.names else None
            if name == "link" and self.checks_link:
                wanted = LINK
                self.link(node)
            for message in _differences(node, _spec(wanted), self.custom) if wanted else ():
                self.error(
                    "DIRECTIVE_DEFINITION_INVALID", f"@{name} must be defined as in its spec: {message}", node
                )

    def link(self, node: DirectiveDefinitionNode) -> None:
        """Report arguments of @link that are required here but optional in the link spec."""
        for one in node.arguments or ():
            required = isinstance(one.type, NonNullTypeNode) and not one.default_value
            if one.name.value != "url" and required:
                message = (
                    f"@link is defined with {one.name.value} as required, which the link spec makes optional"
                )
                self.error("INVALID_GRAPHQL", message, node)

    def types(self) -> None:
        """Report type definitions that contradict the spec to which their name belongs."""
        for node in self.nodes:
            if isinstance(node, TypeDefinitionNode) and (message := self.misfit(node)):
                self.error("TYPE_DEFINITION_INVALID", message, node)

    def misfit(self, node: TypeDefinitionNode) -> str:
        """Return why a type contradicts a linked spec; "" if it does not."""
        name = node.name.value
        if name in self.scalars or (self.checks_link and name == "link__Import"):
            fits, due = isinstance(node, ScalarTypeDefinitionNode), "a scalar"
        elif self.checks_link and name == "link__Purpose":
            values = node.values or () if isinstance(node, EnumTypeDefinitionNode) else ()
            fits, due = {one.name.value for one in values} == _PURPOSES, "an enum of SECURITY and EXECUTION"
        else:
            return ""
        return "" if fits else f"{name} must be {due}, as a linked spec defines it; here it is something else"

    def error(self, code: str, message: str, node: DefinitionNode) -> None:
        self.report.error(code, message, subgraph=self.subgraph, node=node)


def _is_directive(node: DefinitionNode) -> TypeGuard[DirectiveDefinitionNode]:
    return isinstance(node, DirectiveDefinitionNode)


def _is_linked(links: Links) -> bool:
    """Return whether @link is the link spec's directive, rather than the subgraph's own."""
    return any(identity_of(one) in (f"{SPECS}link", f"{SPECS}federation") for one in links.features)


def _is_bootstrap(node: DirectiveDefinitionNode, links: Links) -> bool:
    """Return whether @link is defined just so that the links can be read: repeatable on SCHEMA, with `url`
    and `as`.

    It applies to a subgraph that links the link spec itself; its definition may differ from the spec
    otherwise.
    """
    given = {one.name.value: print_ast(one.type) for one in node.arguments or ()}
    return (
        any(identity_of(one) == f"{SPECS}link" for one in links.features)
        and given.get("as", "String") == "String"
        and given.get("url") in ("String", "String!")
        and node.repeatable
        and [one.value for one in node.locations] == ["SCHEMA"]
    )


def _spec(text: str) -> DirectiveDefinitionNode:
    return next(filter(_is_directive, parse(text, no_location=True).definitions))


def _differences(
    node: DirectiveDefinitionNode, wanted: DirectiveDefinitionNode, custom: frozenset[str]
) -> Iterator[str]:
    """Yield the differences of a definition from the spec's, in words.

    `custom`: the names of custom scalars.
    """
    mine = {one.name.value: one for one in node.arguments or ()}
    theirs = {one.name.value: one for one in wanted.arguments or ()}
    for name, argument in theirs.items():
        if name in mine:
            yield from _argument_differences(mine[name], argument, custom)
        elif isinstance(argument.type, NonNullTypeNode) and argument.default_value is None:
            yield f"it lacks the argument {name}"
    yield from (f"it has no argument {name} there" for name in mine if name not in theirs)
    yield from _use_differences(node, wanted)


def _use_differences(node: DirectiveDefinitionNode, wanted: DirectiveDefinitionNode) -> Iterator[str]:
    """Yield the differences in locations and in repeatability."""
    places = {one.value for one in node.locations}
    if extra := sorted(places - {one.value for one in wanted.locations}):
        yield f"it must not be allowed on {', '.join(extra)}"
    if node.repeatable and not wanted.repeatable:
        yield "it must not be repeatable"
    if wanted.repeatable and not node.repeatable and node.name.value == "link":
        yield "it must be repeatable"


def _argument_differences(
    mine: InputValueDefinitionNode, wanted: InputValueDefinitionNode, custom: frozenset[str]
) -> Iterator[str]:
    name = mine.name.value
    given: TypeNode = mine.type
    if isinstance(given, NonNullTypeNode) and not isinstance(wanted.type, NonNullTypeNode):
        given = given.type
    if not _may_stand_for(given, wanted.type, custom):
        yield f"the argument {name} must be {print_ast(wanted.type)}, not {print_ast(mine.type)}"
    elif not isinstance(mine.type, NonNullTypeNode) and not same_value(
        mine.default_value, wanted.default_value
    ):
        due = print_ast(wanted.default_value) if wanted.default_value else "none"
        yield f"the default of the argument {name} must be {due}"


def _may_stand_for(given: TypeNode, wanted: TypeNode, custom: frozenset[str]) -> bool:
    """Return whether an argument may have the type `given` where the spec has `wanted`.

    Inside the same lists, a custom scalar of the spec may be replaced by any type except another custom
    scalar.
    """
    if isinstance(wanted, ListTypeNode):
        return isinstance(given, ListTypeNode) and _may_stand_for(given.type, wanted.type, custom)
    if isinstance(wanted, NonNullTypeNode):
        return isinstance(given, NonNullTypeNode) and _may_stand_for(given.type, wanted.type, custom)
    if print_ast(given) == print_ast(wanted):
        return True
    other = isinstance(given, NamedTypeNode) and given.name.value in custom
    return isinstance(wanted, NamedTypeNode) and wanted.name.value in custom and not other
