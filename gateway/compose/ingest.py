"""A subgraph's SDL becomes a SubgraphSchema: parsed, its links resolved, checked as GraphQL, extensions joined."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, Source, build_ast_schema, parse, validate_schema
from graphql.language import (
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
from gateway.compose.model import ROOT_NAMES, SubgraphSchema, TypeDef
from gateway.compose.read_types import read_types
from gateway.federation.spec import (
    BY_NAME,
    DIRECTIVES,
    GENERATED_FIELDS,
    GENERATED_TYPES,
    LATEST,
    SPEC_TYPES,
    UNSUPPORTED,
)
from gateway.supergraph.api_schema import remade
from gateway.supergraph.features import Feature, arguments_of, read_feature, read_features, text
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


_SERVICE = FieldDefinitionNode(name=NameNode(value="_service"), type=NamedTypeNode(name=NameNode(value="String")))


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
    features = read_features(document)
    if not _links_are_readable(document, source.name, report):
        return None
    federation = next((item for item in features if item.name == "federation"), None)
    if not _known(source.name, federation, features, report):
        return None
    names = _local_names(federation)
    own = [node for node in document.definitions if not _generated(node, features, names)]
    _join_extensions_with_bases(own)
    plain = _plain_schema(source.name, own, names, federation, report)
    if plain is None:
        return None
    roots = _roots(own)
    defined = {node.name.value for node in own if isinstance(node, TypeDefinitionNode)}
    for kind, name in roots.items():
        if name != ROOT_NAMES[kind] and ROOT_NAMES[kind] in defined:
            message = f"the type {ROOT_NAMES[kind]} is not the {kind} root, which is {name}"
            report.error(f"ROOT_{kind.upper()}_USED", message, subgraph=source.name, coordinate=ROOT_NAMES[kind])
    finished = _finish(read_types(source.name, own, names, federation is not None, report), roots)
    return SubgraphSchema(
        name=source.name,
        url=source.url,
        types=finished,
        roots={kind: ROOT_NAMES[kind] for kind in roots if ROOT_NAMES[kind] in finished},
        directives={node.name.value: node for node in own if isinstance(node, DirectiveDefinitionNode)},
        federation=federation.version if federation else None,
        graphql=plain,
    )


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


def _known(subgraph: str, federation: Feature | None, features: Iterable[Feature], report: Report) -> bool:
    """Whether the linked versions are known, and nothing linked is left unenforced."""
    if federation is not None:
        major, minor = (int(part) for part in federation.version.split("."))
        if major != 2 or (major, minor) > LATEST:
            message = f"federation v{federation.version} is not known"
            report.error("UNKNOWN_FEDERATION_LINK_VERSION", message, subgraph=subgraph)
            return False
        for theirs, ours in federation.imports:
            _check_import(theirs, (major, minor), subgraph, report)
            if theirs.startswith("@") != ours.startswith("@"):
                message = f'"{theirs}" is imported as "{ours}"'
                report.error("INVALID_LINK_DIRECTIVE_USAGE", message, subgraph=subgraph)
    for feature in features:
        if feature.name == "link" and feature.version != "1.0":
            report.error("UNKNOWN_LINK_VERSION", f"link v{feature.version} is not known", subgraph=subgraph)
    return True


def _links_are_readable(document: DocumentNode, subgraph: str, report: Report) -> bool:
    """Whether every @link to the federation spec has a url that says which version; else it would pass for Federation 1."""
    readable = True
    for definition in document.definitions:
        for node in getattr(definition, "directives", None) or ():
            url = text(arguments_of(node).get("url")) if node.name.value == "link" else None
            if url and "/federation" in url and read_feature(node) is None:
                message = f'"{url}" is not the url of a version of the federation spec'
                report.error("INVALID_LINK_IDENTIFIER", message, subgraph=subgraph, node=node)
                readable = False
    return readable


def _check_import(name: str, version: tuple[int, int], subgraph: str, report: Report) -> None:
    plain = name.removeprefix("@")
    if plain in UNSUPPORTED and name.startswith("@"):
        message = f"{name} can't be composed by this version: it would not be enforced"
        report.error("UNSUPPORTED_LINKED_FEATURE", message, subgraph=subgraph)
    elif name.startswith("@") and (plain not in BY_NAME or BY_NAME[plain].since > version):
        message = f"federation v{version[0]}.{version[1]} has no directive {name}"
        report.error("INVALID_LINK_DIRECTIVE_USAGE", message, subgraph=subgraph)
    elif not name.startswith("@") and plain not in SPEC_TYPES:
        hint = f'; write "@{plain}"' if plain in BY_NAME else ""
        report.error("INVALID_LINK_DIRECTIVE_USAGE", f"federation has no type {name}{hint}", subgraph=subgraph)


def _local_names(federation: Feature | None) -> dict[str, str]:
    """The local name of every federation directive to its canonical one."""
    if federation is None:
        return {item.name: item.name for item in DIRECTIVES if item.since == (1, 0)}
    return {federation.local(f"@{name}"): name for name in (*BY_NAME, *UNSUPPORTED)}


def _generated(node: DefinitionNode, features: Iterable[Feature], names: Mapping[str, str]) -> bool:
    """Whether a definition is one that federation libraries write themselves."""
    name = getattr(node, "name", None)
    if name is None:
        return False
    if isinstance(node, DirectiveDefinitionNode):
        return (
            name.value in names
            or name.value in ("link", "core")
            or any(item.owns(name.value, True) for item in features)
        )
    return (
        name.value in GENERATED_TYPES
        or name.value.startswith("link__")
        or any(item.owns(name.value, False) for item in features)
    )


def _join_extensions_with_bases(nodes: list[DefinitionNode]) -> None:
    """Turn extensions without a definition in this subgraph into definitions, so that plain GraphQL tools accept them."""
    defined = {node.name.value for node in nodes if isinstance(node, TypeDefinitionNode)}
    for index, node in enumerate(nodes):
        if isinstance(node, TypeExtensionNode) and node.name.value not in defined:
            defined.add(node.name.value)
            values: dict[str, Any] = {key: getattr(node, key, None) for key in node.keys}
            nodes[index] = BASES[type(node)](**values)


def _plain_schema(
    subgraph: str, own: list[DefinitionNode], names: Mapping[str, str], federation: Feature | None, report: Report
) -> GraphQLSchema | None:
    """The SDL as plain GraphQL, with federation's definitions added; None when it is not valid."""
    field_set = federation.local("FieldSet") if federation else "_FieldSet"
    added = [f"scalar {field_set}"]
    added += [BY_NAME[name].definition(local, field_set) for local, name in names.items() if name in BY_NAME]
    added.append(
        "directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA"
    )
    added.append("scalar link__Import enum link__Purpose { SECURITY EXECUTION }")
    extra = parse("\n".join(added), no_location=True).definitions
    roots = _roots(own)
    plain = [_lenient(node, roots.get("query", "Query")) for node in own]
    has_query = any(isinstance(node, TypeDefinitionNode) and node.name.value == "Query" for node in own)
    has_schema = any(isinstance(node, SchemaDefinitionNode) for node in own)
    if not has_query and not has_schema:
        extra = (*extra, *parse("type Query { _service: String }", no_location=True).definitions)
    document = DocumentNode(definitions=(*plain, *extra))
    schema: GraphQLSchema | None = None
    problems = list(validate_sdl(document))
    if not problems:
        schema = build_ast_schema(document, assume_valid_sdl=True)
        problems = [item for item in validate_schema(schema) if "Query root type must be provided" not in item.message]
    for item in problems:
        node = item.nodes[0] if item.nodes else None
        report.error("INVALID_GRAPHQL", item.message, subgraph=subgraph, node=node)
    return None if problems else schema


def _lenient(node: DefinitionNode, query: str) -> DefinitionNode:
    """The query root without generated fields (one stands in where nothing else is left); a schema without its links."""
    if isinstance(node, SchemaExtensionNode):
        return remade(node, directives=())
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


def _finish(types: Mapping[str, TypeDef], roots: Mapping[RootKind, str]) -> dict[str, TypeDef]:
    """Root types under their usual names, without the fields that federation libraries add; empty ones are gone."""
    usual = {name: ROOT_NAMES[kind] for kind, name in roots.items() if name != ROOT_NAMES[kind]}
    query = ROOT_NAMES["query"]
    finished = {usual.get(name, name): replace(item, name=usual.get(name, name)) for name, item in types.items()}
    for name, item in finished.items():
        fields = {key: one for key, one in item.fields.items() if name != query or key not in GENERATED_FIELDS}
        if usual:
            fields = {key: replace(one, type=_renamed(one.type, usual)) for key, one in fields.items()}
        finished[name] = replace(item, fields=fields)
    return {name: item for name, item in finished.items() if name not in ROOT_NAMES.values() or item.fields}


def _renamed(reference: str, names: Mapping[str, str]) -> str:
    inner = reference.strip("[]!")
    return reference.replace(inner, names[inner]) if inner in names else reference
