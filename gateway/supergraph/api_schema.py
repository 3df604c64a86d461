"""Builds the API schema: the part of a supergraph that clients see.

It has no join elements, nothing that is @inaccessible, and of the directives only those in
VISIBLE_DIRECTIVES.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from graphql import DocumentNode, GraphQLError, GraphQLSchema, build_ast_schema, validate_schema
from graphql.language import (
    DefinitionNode,
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    Node,
    ObjectTypeDefinitionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    UnionTypeDefinitionNode,
)

from gateway.core.errors import SupergraphError
from gateway.supergraph.features import Feature
from gateway.supergraph.scalars import keep_number_text

VISIBLE_DIRECTIVES = frozenset({"deprecated", "specifiedBy", "oneOf"})
N = TypeVar("N", bound=Node)


def copied(node: N, **changes: object) -> N:
    """Return a copy of an AST node with some attributes changed; the copy has no source location."""
    values: dict[str, Any] = {key: getattr(node, key, None) for key in node.keys if key != "loc"}
    values.update(changes)
    return type(node)(**values)


class _ApiSchemaBuilder:
    def __init__(self, features: Iterable[Feature]) -> None:
        self.features = tuple(features)
        hiding = next((item for item in self.features if item.name == "inaccessible"), None)
        self.inaccessible = hiding.local("@inaccessible") if hiding else "inaccessible"
        self.hidden: set[str] = set()

    def is_feature(self, node: DefinitionNode) -> bool:
        """Return whether a definition belongs to a linked spec rather than to the supergraph's own schema."""
        if isinstance(node, SchemaExtensionNode):
            return True
        name = getattr(node, "name", None)
        if name is None:
            return False
        directive = isinstance(node, DirectiveDefinitionNode)
        return any(feature.owns(name.value, directive) for feature in self.features)

    def visible(self, node: Node) -> bool:
        """Return whether an element is not @inaccessible."""
        directives = getattr(node, "directives", None) or ()
        return all(item.name.value != self.inaccessible for item in directives)

    def clean(self, node: N) -> N:
        """Return an element with only the visible children, and only the directives that clients may see."""
        changes: dict[str, object] = {}
        if getattr(node, "directives", None):
            own = node.directives  # type: ignore[attr-defined]
            changes["directives"] = tuple(item for item in own if item.name.value in VISIBLE_DIRECTIVES)
        if isinstance(
            node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | InputObjectTypeDefinitionNode
        ):
            changes["fields"] = tuple(self.clean(item) for item in node.fields or () if self.visible(item))
        if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
            changes["interfaces"] = tuple(i for i in node.interfaces or () if i.name.value not in self.hidden)
        if isinstance(node, UnionTypeDefinitionNode):
            changes["types"] = tuple(item for item in node.types or () if item.name.value not in self.hidden)
        if isinstance(node, EnumTypeDefinitionNode):
            changes["values"] = tuple(self.clean(item) for item in node.values or () if self.visible(item))
        if isinstance(node, FieldDefinitionNode | DirectiveDefinitionNode):
            changes["arguments"] = tuple(
                self.clean(item) for item in node.arguments or () if self.visible(item)
            )
        return copied(node, **changes)

    def roots(self, node: SchemaDefinitionNode) -> SchemaDefinitionNode:
        """Return the schema definition without directives and without @inaccessible root types."""
        shown = tuple(item for item in node.operation_types if item.type.name.value not in self.hidden)
        return copied(node, directives=(), operation_types=shown)


EXECUTABLE_LOCATIONS = frozenset(
    {
        "QUERY",
        "MUTATION",
        "SUBSCRIPTION",
        "FIELD",
        "FRAGMENT_DEFINITION",
        "FRAGMENT_SPREAD",
        "INLINE_FRAGMENT",
        "VARIABLE_DEFINITION",
    }
)


def _executable(node: DefinitionNode) -> DefinitionNode | None:
    """Return a directive definition with only its executable locations, or None if it has none.

    Other definitions are returned unchanged.
    """
    if not isinstance(node, DirectiveDefinitionNode):
        return node
    locations = tuple(item for item in node.locations if item.value in EXECUTABLE_LOCATIONS)
    return copied(node, locations=locations) if locations else None


def api_schema(document: DocumentNode, features: Iterable[Feature]) -> GraphQLSchema:
    """Return the API schema of a supergraph. Raises SupergraphError INVALID_SUPERGRAPH if it is not valid."""
    api = _ApiSchemaBuilder(features)
    own = [node for node in document.definitions if not api.is_feature(node)]
    api.hidden = {
        node.name.value for node in own if isinstance(node, TypeDefinitionNode) and not api.visible(node)
    }
    kept = [
        node for node in own if not (isinstance(node, TypeDefinitionNode) and node.name.value in api.hidden)
    ]
    definitions = [part for node in kept if (part := _executable(api.clean(node)))]
    definitions = [
        api.roots(node) if isinstance(node, SchemaDefinitionNode) else node for node in definitions
    ]
    try:
        schema = build_ast_schema(DocumentNode(definitions=tuple(definitions)), assume_valid_sdl=True)
    except (GraphQLError, TypeError) as error:
        raise SupergraphError(
            f"the supergraph's API schema can't be built: {error}", "INVALID_SUPERGRAPH"
        ) from error
    if problems := validate_schema(schema):
        text = "; ".join(problem.message for problem in problems[:5])
        raise SupergraphError(f"the supergraph's API schema is not valid: {text}", "INVALID_SUPERGRAPH")
    keep_number_text(schema)
    return schema
