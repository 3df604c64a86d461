"""Reads one subgraph's SDL into a SubgraphSchema: the first stage of composition.

It parses the SDL, resolves its @links, checks the definitions of spec elements, validates the result as plain
GraphQL, reads types and directives, and upgrades Federation 1 to Federation 2.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

from graphql import (
    DocumentNode,
    GraphQLDirective,
    GraphQLError,
    Source,
    parse,
    print_ast,
    specified_directives,
)
from graphql.language import (
    DefinitionNode,
    DirectiveDefinitionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
)

from gateway.compose.diagnostics import Report
from gateway.compose.links import SPECS, Links, read_links
from gateway.compose.model import ROOT_NAMES, Application, ComposedDirective, SubgraphSchema, TypeDef
from gateway.compose.plain_schema import is_connect, plain_schema
from gateway.compose.read_types import Vocabulary, read_schema_metadata, read_types, share_key_fields
from gateway.compose.root_names import with_usual_roots
from gateway.compose.spec_definitions import check_spec_definitions, without_old_mistakes
from gateway.compose.upgrade import upgrade
from gateway.federation.spec import GENERATED_FIELDS, SERVICE_TYPES
from gateway.supergraph.features import arguments_of, read_feature, text
from gateway.supergraph.model import RootKind

_BUILT_IN = frozenset((*(one.name for one in specified_directives), "defer", "stream"))
MAX_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class SubgraphSource:
    """A subgraph for composition: its name, its URL ("" if unknown), and its SDL."""

    name: str
    url: str
    sdl: str


def ingest(source: SubgraphSource, report: Report) -> SubgraphSchema | None:
    """Return the schema of one subgraph.

    Reports errors; returns None if later stages can't use the result.
    """
    if not source.name or source.name.startswith("_"):
        report.error(
            "INVALID_SUBGRAPH_NAME", f'"{source.name}" is not a valid subgraph name', subgraph=source.name
        )
        return None
    document = _parse(source, report)
    if document is None:
        return None
    links = read_links(document, source.name, report)
    if links is None:
        return None
    before = report.count
    check_spec_definitions(document.definitions, links, source.name, report)
    nodes = without_old_mistakes(document.definitions, links)
    if report.count > before:
        return None
    roots = _roots(nodes)
    usual = {name: ROOT_NAMES[kind] for kind, name in roots.items() if name != ROOT_NAMES[kind]}
    if usual:
        plain_schema(source.name, nodes, roots, links, report)  # report errors with the original names
    if report.count > before:
        return None
    _check_root_names(source.name, nodes, roots, report)
    if report.count > before:
        return None
    return _read(source, with_usual_roots(nodes, usual), links, usual, report)


def _read(
    source: SubgraphSource,
    nodes: list[DefinitionNode],
    links: Links,
    usual: Mapping[str, str],
    report: Report,
) -> SubgraphSchema | None:
    """Return the schema of a subgraph, or None if it is not valid GraphQL.

    The root types already have their default names; `usual` maps their names in the SDL to the default ones.
    """
    own = [node for node in nodes if not _generated(node, links)]
    composed, routed = _on_schema(own, links)
    plain = plain_schema(source.name, nodes, _roots(nodes), links, report)
    if plain is None:
        return None
    vocabulary = Vocabulary(
        subgraph=source.name,
        names=links.names,
        modern=links.federation is not None,
        custom=_carried_customs(own, composed),
        routed=_connector_names(links),
        usual=usual,
        defaults={one.name: tuple(_defaults(one)) for one in plain.directives},
    )
    finished = share_key_fields(_finish(read_types(own, vocabulary, report)))
    definitions = [node for node in own if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)]
    schema = SubgraphSchema(
        name=source.name,
        url=source.url,
        types=finished,
        directives={node.name.value: node for node in own if _is_own_directive(node)},
        federation=links.federation.version if links.federation else None,
        links=links,
        graphql=plain,
        composed=composed,
        routed=routed,
        metadata=read_schema_metadata(definitions, vocabulary, report),
    )
    return upgrade(schema, report)


def _check_root_names(
    subgraph: str, own: Iterable[DefinitionNode], roots: Mapping[RootKind, str], report: Report
) -> None:
    defined = {node.name.value for node in own if isinstance(node, TypeDefinitionNode)}
    for kind, name in roots.items():
        if name != ROOT_NAMES[kind] and ROOT_NAMES[kind] in defined:
            message = f"the type {ROOT_NAMES[kind]} is not the {kind} root, which is {name}"
            report.error(f"ROOT_{kind.upper()}_USED", message, subgraph=subgraph, coordinate=ROOT_NAMES[kind])


def _on_schema(
    nodes: Iterable[DefinitionNode], links: Links
) -> tuple[tuple[ComposedDirective, ...], tuple[Application, ...]]:
    """Return the @composeDirectives of the schema definition, and its directives of the connect spec."""
    composed: list[ComposedDirective] = []
    routed: list[Application] = []
    connectors = _connector_names(links)
    for definition in nodes:
        if not isinstance(definition, SchemaDefinitionNode | SchemaExtensionNode):
            continue
        for node in definition.directives or ():
            arguments = arguments_of(node)
            local = node.name.value
            if links.names.get(local) == "composeDirective":
                composed.append(ComposedDirective(text(arguments.get("name")), node))
            elif local in connectors or (connectors and local == "link" and is_connect(read_feature(node))):
                printed = tuple((key, print_ast(value)) for key, value in arguments.items())
                routed.append(Application(local, local, printed, False, True))
    return tuple(composed), tuple(routed)


def _connector_names(links: Links) -> frozenset[str]:
    found = next((item for item in links.features if is_connect(item)), None)
    return frozenset(found.local(name) for name in ("@connect", "@source")) if found else frozenset()


def _carried_customs(
    nodes: Iterable[DefinitionNode], composed: Iterable[ComposedDirective]
) -> dict[str, bool]:
    """Return for each directive named in a @composeDirective whether it is repeatable, by its name."""
    wanted = {one.name.removeprefix("@") for one in composed if one.name}
    return {
        node.name.value: node.repeatable
        for node in nodes
        if isinstance(node, DirectiveDefinitionNode) and node.name.value in wanted
    }


def _defaults(directive: GraphQLDirective) -> Iterator[tuple[str, str]]:
    """Yield the arguments of a directive, each with its default as GraphQL text ("null" if it has none)."""
    for name, argument in directive.args.items():
        node = argument.ast_node.default_value if argument.ast_node else None
        yield name, print_ast(node) if node else "null"


def _is_own_directive(node: DefinitionNode) -> TypeGuard[DirectiveDefinitionNode]:
    """Return whether a node defines a directive other than GraphQL's own, which some libraries print."""
    return isinstance(node, DirectiveDefinitionNode) and node.name.value not in _BUILT_IN


def _parse(source: SubgraphSource, report: Report) -> DocumentNode | None:
    try:
        return parse(Source(source.sdl, source.name), max_tokens=MAX_TOKENS)
    except GraphQLError as error:
        place = error.locations[0] if error.locations else None
        where = f" ({source.name}:{place.line}:{place.column})" if place else ""
        report.error("INVALID_GRAPHQL", f"{error.message.removesuffix('.')}{where}", subgraph=source.name)
    except RecursionError:
        report.error("INVALID_GRAPHQL", "the SDL is nested too deeply", subgraph=source.name)
    return None


def _generated(node: DefinitionNode, links: Links) -> bool:
    """Return whether a definition belongs to a federation spec or is one that federation libraries
    generate.
    """
    name = getattr(node, "name", None)
    if name is None:
        return False
    own = [feature for feature in links.features if feature.url.startswith(SPECS)]
    if isinstance(node, DirectiveDefinitionNode):
        ours = any(item.owns(name.value, True) for item in own)
        return ours or name.value in links.names or name.value in ("link", "core")
    ours = any(item.owns(name.value, False) for item in own) or name.value in links.scalars()
    return ours or name.value in SERVICE_TYPES or name.value.startswith("link__")


def _roots(nodes: Iterable[DefinitionNode]) -> dict[RootKind, str]:
    """Return the names of the root types: those in the SDL's schema definition, else the default names."""
    roots = dict(ROOT_NAMES)
    for node in nodes:
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            roots.update({item.operation.value: item.type.name.value for item in node.operation_types or ()})
    return roots


def _finish(types: Mapping[str, TypeDef]) -> dict[str, TypeDef]:
    """Return the types without `_entities` and `_service`, and without root types that are then empty."""
    query = ROOT_NAMES["query"]
    finished = dict(types)
    if query in types:
        fields = {key: one for key, one in types[query].fields.items() if key not in GENERATED_FIELDS}
        finished[query] = replace(types[query], fields=fields)
    return {
        name: item
        for name, item in finished.items()
        if name not in ROOT_NAMES.values() or item.kind != "object" or item.fields
    }
