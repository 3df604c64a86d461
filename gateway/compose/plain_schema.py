"""Turns a subgraph's SDL into a plain GraphQL schema, by adding the definitions of linked specs, and
validates it.

A definition in the SDL itself takes precedence over the added one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_ast_schema, parse, validate_schema
from graphql.language import (
    DefinitionNode,
    DirectiveDefinitionNode,
    DocumentNode,
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
from gateway.compose.directive_values import wrong_values
from gateway.compose.links import SPECS, Links, identity_of
from gateway.compose.spec_definitions import LINK
from gateway.federation.spec import GENERATED_FIELDS
from gateway.supergraph.api_schema import copied
from gateway.supergraph.features import Feature
from gateway.supergraph.model import RootKind

BASES: Mapping[type[TypeExtensionNode], type[TypeDefinitionNode]] = {
    ObjectTypeExtensionNode: ObjectTypeDefinitionNode,
    InterfaceTypeExtensionNode: InterfaceTypeDefinitionNode,
    UnionTypeExtensionNode: UnionTypeDefinitionNode,
    EnumTypeExtensionNode: EnumTypeDefinitionNode,
    InputObjectTypeExtensionNode: InputObjectTypeDefinitionNode,
    ScalarTypeExtensionNode: ScalarTypeDefinitionNode,
}
_CONNECT = """scalar connect__Any
directive @{}(
  source: String, id: String, http: connect__Any, batch: connect__Any, entity: Boolean, errors: connect__Any,
  isSuccess: connect__Any, selection: connect__Any!
) repeatable on FIELD_DEFINITION | OBJECT
directive @{}(
  name: String!, http: connect__Any, errors: connect__Any, isSuccess: connect__Any
) repeatable on SCHEMA"""
_LINK_TYPES = "scalar link__Import enum link__Purpose { SECURITY EXECUTION }"
_SERVICE = FieldDefinitionNode(
    name=NameNode(value="_service"), type=NamedTypeNode(name=NameNode(value="String"))
)


def is_connect(feature: Feature | None) -> bool:
    """Return whether a feature is the connect spec in a version that composition supports."""
    known = ("0.1", "0.2", "0.3", "0.4")
    return feature is not None and identity_of(feature) == f"{SPECS}connect" and feature.version in known


def plain_schema(
    subgraph: str,
    nodes: Sequence[DefinitionNode],
    roots: Mapping[RootKind, str],
    links: Links,
    report: Report,
) -> GraphQLSchema | None:
    """Return the SDL as a GraphQL schema. Reports INVALID_GRAPHQL and returns None if it is not valid.

    `roots`: the names of the root types, even of those that the SDL does not define.
    """
    document = _document(nodes, roots, links)
    schema, problems = _build(document)
    problems += [
        GraphQLError(f"the name {node.name.value} is reserved for introspection", node)
        for node in nodes
        if isinstance(node, TypeDefinitionNode) and node.name.value.startswith("__")
    ]
    for item in problems:
        found = item.nodes[0] if item.nodes else None
        report.error("INVALID_GRAPHQL", item.message, subgraph=subgraph, node=found)
    return None if problems else schema


def _build(document: DocumentNode) -> tuple[GraphQLSchema | None, list[GraphQLError]]:
    """Return the schema of a document, and its errors; the schema is None if it can't be built."""
    if problems := list(validate_sdl(document)):
        return None, problems
    try:
        schema = build_ast_schema(document, assume_valid_sdl=True)
        return schema, list(validate_schema(schema)) or list(wrong_values(schema, document))
    except (GraphQLError, TypeError) as error:  # errors that graphql-core's validation rules do not find
        return None, [error if isinstance(error, GraphQLError) else GraphQLError(str(error))]


def _document(nodes: Sequence[DefinitionNode], roots: Mapping[RootKind, str], links: Links) -> DocumentNode:
    query = roots["query"]
    strips = links.federation is None  # the types of these fields are not defined in Federation 1
    plain = [_lenient(node, query, strips) for node in _with_bases(nodes)]
    defined = {_place(node) for node in plain}
    added = [*_spec_elements(links), _query(query)]
    if not any(isinstance(node, SchemaDefinitionNode) for node in plain):
        plain.append(SchemaDefinitionNode(operation_types=()))
    unnamed = _unnamed_roots(nodes, roots)
    every = [_with_roots(node, unnamed) for node in plain]
    return DocumentNode(definitions=(*every, *(node for node in added if _place(node) not in defined)))


def _query(name: str) -> ObjectTypeDefinitionNode:
    return ObjectTypeDefinitionNode(name=NameNode(value=name), fields=(_SERVICE,))


def _unnamed_roots(
    nodes: Sequence[DefinitionNode], roots: Mapping[RootKind, str]
) -> list[OperationTypeDefinitionNode]:
    """Return the root types that exist under their default name but are not in a schema definition."""
    objects = (ObjectTypeDefinitionNode, ObjectTypeExtensionNode)
    defined = {node.name.value for node in nodes if isinstance(node, objects)}
    named = {
        item.operation.value
        for node in nodes
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)
        for item in node.operation_types or ()
    }
    return [
        OperationTypeDefinitionNode(
            operation=OperationType(kind), type=NamedTypeNode(name=NameNode(value=name))
        )
        for kind, name in roots.items()
        if kind not in named and (name in defined or kind == "query")
    ]


def _with_roots(node: DefinitionNode, roots: Sequence[OperationTypeDefinitionNode]) -> DefinitionNode:
    if not isinstance(node, SchemaDefinitionNode):
        return node
    return copied(node, operation_types=(*node.operation_types, *roots))


def _place(node: DefinitionNode) -> tuple[bool, str]:
    """Return a key under which two definitions conflict: whether the node defines a directive, and
    its name.
    """
    name = getattr(node, "name", None)
    return isinstance(node, DirectiveDefinitionNode), name.value if name is not None else ""


def _with_bases(own: Sequence[DefinitionNode]) -> Iterator[DefinitionNode]:
    """Yield the definitions; the first extension of a type that is not defined becomes its definition."""
    defined = {node.name.value for node in own if isinstance(node, TypeDefinitionNode)}
    for node in own:
        if isinstance(node, TypeExtensionNode) and node.name.value not in defined:
            defined.add(node.name.value)
            values: dict[str, Any] = {key: getattr(node, key, None) for key in node.keys}
            yield BASES[type(node)](**values)
        else:
            yield node


def _spec_elements(links: Links) -> tuple[DefinitionNode, ...]:
    """Return the definitions of the elements of all linked specs."""
    added = [f"scalar {name}" for name in links.scalars()]
    added += [links.definition(local) for local in links.names]
    added += [LINK, _LINK_TYPES]
    connect = next((item for item in links.features if is_connect(item)), None)
    if connect is not None:
        added.append(_CONNECT.format(connect.local("@connect"), connect.local("@source")))
    return parse("\n".join(added), no_location=True).definitions


def _lenient(node: DefinitionNode, query: str, strips: bool) -> DefinitionNode:
    """Return a definition as plain GraphQL accepts it: a query root without fields gets a placeholder field.

    `strips`: whether to remove the query root's `_entities` and `_service`. `query`: the query root's name.
    """
    if isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode) and node.name.value == query:
        given = node.fields or ()
        fields = tuple(item for item in given if not strips or item.name.value not in GENERATED_FIELDS)
        return copied(node, fields=fields or (_SERVICE,))
    return node
