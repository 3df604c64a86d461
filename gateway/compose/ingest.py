"""A subgraph's SDL becomes a SubgraphSchema.

Parsed, its links resolved, checked as GraphQL, extensions joined.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    Source,
    build_ast_schema,
    parse,
    print_ast,
    validate_schema,
)
from graphql.language import (
    ConstDirectiveNode,
    DefinitionNode,
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputObjectTypeExtensionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    NamedTypeNode,
    NameNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    OperationType,
    OperationTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    ScalarTypeExtensionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
)
from graphql.validation.validate import validate_sdl

from gateway.compose.diagnostics import Report
from gateway.compose.links import SPECS, Links, identity_of, read_links
from gateway.compose.model import ROOT_NAMES, Application, Composed, SubgraphSchema, TypeDef
from gateway.compose.read_types import Vocabulary, read_schema_marks, read_types, share_key_fields
from gateway.compose.root_names import with_usual_roots
from gateway.compose.spec_definitions import check_spec_definitions
from gateway.compose.upgrade import upgrade
from gateway.federation.spec import BY_NAME, GENERATED_FIELDS, GENERATED_TYPES
from gateway.supergraph.api_schema import remade
from gateway.supergraph.features import Feature, arguments_of, read_feature, text
from gateway.supergraph.model import RootKind

MAX_TOKENS = 1_000_000
BASES: Mapping[type[TypeExtensionNode], type[TypeDefinitionNode]] = {
    ObjectTypeExtensionNode: ObjectTypeDefinitionNode,
    InterfaceTypeExtensionNode: InterfaceTypeDefinitionNode,
    UnionTypeExtensionNode: UnionTypeDefinitionNode,
    EnumTypeExtensionNode: EnumTypeDefinitionNode,
    InputObjectTypeExtensionNode: InputObjectTypeDefinitionNode,
    ScalarTypeExtensionNode: ScalarTypeDefinitionNode,
}


_CONNECT = """scalar connect__Any
directive @{}(source: String, id: String, http: connect__Any, batch: connect__Any, entity: Boolean, errors: connect__Any,
  isSuccess: connect__Any, selection: connect__Any!) repeatable on FIELD_DEFINITION | OBJECT
directive @{}(name: String!, http: connect__Any, errors: connect__Any, isSuccess: connect__Any) repeatable on SCHEMA"""
_NO_QUERY = "Query__none"
_SERVICE = FieldDefinitionNode(
    name=NameNode(value="_service"), type=NamedTypeNode(name=NameNode(value="String"))
)


@dataclass(frozen=True, slots=True)
class SubgraphSource:
    """A subgraph as it is given to composition: its name, address (may be empty), and SDL."""

    name: str
    url: str
    sdl: str


def ingest(source: SubgraphSource, report: Report) -> SubgraphSchema | None:
    """Read one subgraph; None when its SDL is so broken that nothing further can be said about it."""
    if not source.name or source.name.startswith("_"):
        report.error("INVALID_SUBGRAPH_NAME", f'"{source.name}" can\'t name a subgraph', subgraph=source.name)
        return None
    document = _parse(source, report)
    if document is None:
        return None
    links = read_links(document, source.name, report)
    if links is None:
        return None
    before = report.count
    check_spec_definitions(document.definitions, links, source.name, report)
    own = [node for node in document.definitions if not _generated(node, links)]
    if report.count > before:
        return None
    roots = _roots(own)
    if any(name != ROOT_NAMES[kind] for kind, name in roots.items()):
        _plain_schema(source.name, _with_bases(own), links, report)  # what is wrong before it is renamed
    if report.count > before:
        return None
    _check_root_names(source.name, own, roots, report)
    usual = {name: ROOT_NAMES[kind] for kind, name in roots.items() if name != ROOT_NAMES[kind]}
    if report.count > before:
        return None
    return _read(source, with_usual_roots(own, usual), links, usual, report)


def _read(
    source: SubgraphSource, own: list[DefinitionNode], links: Links, usual: Mapping[str, str], report: Report
) -> SubgraphSchema | None:
    """The definitions of a subgraph, with its roots under their usual names.

    None when they are not valid GraphQL.
    """
    composed, routed = _on_schema(own, links)
    unknown = _unknown_on_schema(own, links)
    for node in unknown:
        message = f"Unknown directive '@{node.name.value}' on the schema"
        report.error("INVALID_GRAPHQL", message, subgraph=source.name, node=node)
    plain = None if unknown else _plain_schema(source.name, _with_bases(own), links, report)
    if plain is None:
        return None
    vocabulary = Vocabulary(
        subgraph=source.name,
        names=links.names,
        modern=links.federation is not None,
        custom=_carried_customs(own, composed),
        routed=_connector_names(links),
        usual=usual,
    )
    finished = share_key_fields(_finish(read_types(own, vocabulary, report)))
    definitions = [node for node in own if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)]
    schema = SubgraphSchema(
        name=source.name,
        url=source.url,
        types=finished,
        roots={kind: name for kind, name in ROOT_NAMES.items() if name in finished and kind in _roots(own)},
        directives={node.name.value: node for node in own if isinstance(node, DirectiveDefinitionNode)},
        federation=links.federation.version if links.federation else None,
        links=links,
        graphql=plain,
        composed=composed,
        routed=routed,
        marks=read_schema_marks(definitions, vocabulary, report),
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
) -> tuple[tuple[Composed, ...], tuple[Application, ...]]:
    """What stands on the schema: @composeDirective, and what connectors say of this subgraph."""
    composed: list[Composed] = []
    routed: list[Application] = []
    connectors = _connector_names(links)
    for definition in nodes:
        if not isinstance(definition, SchemaDefinitionNode | SchemaExtensionNode):
            continue
        for node in definition.directives or ():
            arguments = arguments_of(node)
            local = node.name.value
            if links.names.get(local) == "composeDirective":
                composed.append(Composed(text(arguments.get("name")), node))
            elif local in connectors or (connectors and local == "link" and _is_connect(read_feature(node))):
                printed = tuple((key, print_ast(value)) for key, value in arguments.items())
                routed.append(Application(local, local, printed, False, True))
    return tuple(composed), tuple(routed)


def _is_connect(feature: Feature | None) -> bool:
    known = ("0.1", "0.2", "0.3", "0.4")
    return feature is not None and identity_of(feature) == f"{SPECS}connect" and feature.version in known


def _connector_names(links: Links) -> frozenset[str]:
    found = next((item for item in links.features if _is_connect(item)), None)
    return frozenset(found.local(name) for name in ("@connect", "@source")) if found else frozenset()


def _carried_customs(nodes: Iterable[DefinitionNode], composed: Iterable[Composed]) -> dict[str, bool]:
    """The directives of other specs that are composed, and whether they are repeatable."""
    wanted = {one.name.removeprefix("@") for one in composed if one.name}
    return {
        node.name.value: node.repeatable
        for node in nodes
        if isinstance(node, DirectiveDefinitionNode) and node.name.value in wanted
    }


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
    """Whether a definition is one that federation libraries write themselves, or is an element of a spec
    that is known here.
    """
    name = getattr(node, "name", None)
    if name is None:
        return False
    own = [feature for feature in links.features if feature.url.startswith(SPECS)]
    if isinstance(node, DirectiveDefinitionNode):
        ours = any(item.owns(name.value, True) for item in own)
        return ours or name.value in links.names or name.value in ("link", "core")
    ours = any(item.owns(name.value, False) for item in own)
    return ours or name.value in GENERATED_TYPES or name.value.startswith("link__")


def _unknown_on_schema(nodes: Iterable[DefinitionNode], links: Links) -> list[ConstDirectiveNode]:
    """The directives on the schema that nobody defines (plain GraphQL tools don't look there)."""
    known = {"link", "core", *links.names, *_connector_names(links)}
    known |= {node.name.value for node in nodes if isinstance(node, DirectiveDefinitionNode)}
    return [
        directive
        for node in nodes
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)
        for directive in node.directives or ()
        if directive.name.value not in known
    ]


def _with_bases(own: list[DefinitionNode]) -> list[DefinitionNode]:
    """The definitions, with extensions that have none here as definitions, so that plain GraphQL tools
    accept them.
    """
    nodes = list(own)
    defined = {node.name.value for node in nodes if isinstance(node, TypeDefinitionNode)}
    for index, node in enumerate(nodes):
        if isinstance(node, TypeExtensionNode) and node.name.value not in defined:
            defined.add(node.name.value)
            values: dict[str, Any] = {key: getattr(node, key, None) for key in node.keys}
            nodes[index] = BASES[type(node)](**values)
    return nodes


def _spec_elements(links: Links) -> tuple[DefinitionNode, ...]:
    """The definitions of what the subgraph links."""
    scalars = links.scalars()
    added = [f"scalar {name}" for name in scalars.values()]
    added += [BY_NAME[name].definition(local, links.version, scalars) for local, name in links.names.items()]
    added.append(
        "directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA"
    )
    added.append("scalar link__Import enum link__Purpose { SECURITY EXECUTION }")
    connect = next((item for item in links.features if _is_connect(item)), None)
    if connect is not None:
        added.append(_CONNECT.format(connect.local("@connect"), connect.local("@source")))
    return parse("\n".join(added), no_location=True).definitions


def _plain_schema(
    subgraph: str, own: list[DefinitionNode], links: Links, report: Report
) -> GraphQLSchema | None:
    """The SDL as plain GraphQL, with federation's definitions added; None when it is not valid."""
    extra = _spec_elements(links)
    roots = _roots(own)
    plain = [_lenient(node, roots.get("query", _NO_QUERY)) for node in own]
    stand_in = roots.get("query", _NO_QUERY)
    if not any(isinstance(node, TypeDefinitionNode) and node.name.value == stand_in for node in own):
        extra = (*extra, *parse(f"type {stand_in} {{ _service: String }}", no_location=True).definitions)
    document = DocumentNode(definitions=(*plain, *extra))
    schema: GraphQLSchema | None = None
    problems = list(validate_sdl(document))
    if not problems:
        try:
            schema = build_ast_schema(document, assume_valid_sdl=True)
            problems = list(validate_schema(schema))
        except (GraphQLError, TypeError) as error:  # what the library finds too late for its own rules
            problems = [error if isinstance(error, GraphQLError) else GraphQLError(str(error))]
    problems += [
        GraphQLError(f"the name {node.name.value} is reserved for introspection", node)
        for node in own
        if isinstance(node, TypeDefinitionNode) and node.name.value.startswith("__")
    ]
    for item in problems:
        node = item.nodes[0] if item.nodes else None
        report.error("INVALID_GRAPHQL", item.message, subgraph=subgraph, node=node)
    return None if problems else schema


def _lenient(node: DefinitionNode, query: str) -> DefinitionNode:
    """The query root without generated fields (one stands in where nothing else is left).

    A schema without its links.
    """
    if isinstance(node, SchemaExtensionNode):
        return remade(node, directives=())
    if isinstance(node, SchemaDefinitionNode) and query == _NO_QUERY:
        named = NamedTypeNode(name=NameNode(value=_NO_QUERY))
        root = OperationTypeDefinitionNode(operation=OperationType.QUERY, type=named)
        return remade(node, operation_types=(*node.operation_types, root))
    if isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode) and node.name.value == query:
        fields = tuple(item for item in node.fields or () if item.name.value not in GENERATED_FIELDS)
        return remade(node, fields=fields or (_SERVICE,))
    return node


def _roots(nodes: Iterable[DefinitionNode]) -> dict[RootKind, str]:
    roots: dict[RootKind, str] = {}
    for node in nodes:
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            roots.update({item.operation.value: item.type.name.value for item in node.operation_types or ()})
    return roots or dict(ROOT_NAMES)


def _finish(types: Mapping[str, TypeDef]) -> dict[str, TypeDef]:
    """The types without the fields that federation libraries add to the query root.

    Root types that are empty then are gone.
    """
    query = ROOT_NAMES["query"]
    finished = dict(types)
    if query in types:
        fields = {key: one for key, one in types[query].fields.items() if key not in GENERATED_FIELDS}
        finished[query] = replace(types[query], fields=fields)
    return {name: item for name, item in finished.items() if name not in ROOT_NAMES.values() or item.fields}
