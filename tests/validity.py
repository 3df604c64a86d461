"""Checking requests to subgraphs against each subgraph's SDL."""

from collections.abc import Mapping
from functools import lru_cache

from graphql import DocumentNode, GraphQLSchema, build_ast_schema, parse, validate
from graphql.language import (
    DefinitionNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
)

_Definitions = ObjectTypeDefinitionNode | ObjectTypeExtensionNode


class RequestChecker:
    """Checks requests against the SDLs of subgraphs, by name."""

    def __init__(self, sdls: Mapping[str, str]) -> None:
        self.schemas = {name: schema_of(sdl) for name, sdl in sdls.items()}

    def problem(self, subgraph: str, query: str) -> str | None:
        """The error of a request to a subgraph; None if it is valid, or the subgraph is unknown."""
        schema = self.schemas.get(subgraph)
        errors = validate(schema, parse(query)) if schema else []
        return f"{errors[0].message} in the request to {subgraph}: {query}" if errors else None


@lru_cache(maxsize=256)
def schema_of(sdl: str) -> GraphQLSchema:
    """The executable schema of a subgraph's SDL, with `_entities` if it has entities."""
    document = _with_bases(parse(sdl, no_location=True))
    types = [one for one in document.definitions if isinstance(one, _Definitions)]
    entities = {
        one.name.value
        for one in types
        if any(mark.name.value.rpartition("__")[2] == "key" for mark in one.directives or ())
    }
    root = _query_root(document)
    known = {one.name.value for one in types}
    extra = ""
    if entities:
        members = " | ".join(sorted(entities))
        field = "_entities(representations: [_Any!]!): [_Entity]!"
        extra = f"scalar _Any\nunion _Entity = {members}\n"
        extra += f"{'extend ' if root in known else ''}type {root} {{ {field} }}\n"
    elif root not in known:
        extra = f"type {root} {{ _nothing: Int }}\n"
    more = parse(extra, no_location=True).definitions if extra else ()
    whole = DocumentNode(definitions=(*document.definitions, *more))
    return build_ast_schema(whole, assume_valid_sdl=True)


def _with_bases(document: DocumentNode) -> DocumentNode:
    """The document with a definition in place of the first extension of a type without a definition."""
    known = {one.name.value for one in document.definitions if isinstance(one, ObjectTypeDefinitionNode)}
    out: list[DefinitionNode] = []
    for one in document.definitions:
        if isinstance(one, ObjectTypeExtensionNode) and one.name.value not in known:
            known.add(one.name.value)
            out.append(
                ObjectTypeDefinitionNode(
                    name=one.name, interfaces=one.interfaces, directives=one.directives, fields=one.fields
                )
            )
        else:
            out.append(one)
    return DocumentNode(definitions=tuple(out))


def _query_root(document: DocumentNode) -> str:
    for one in document.definitions:
        if isinstance(one, SchemaDefinitionNode | SchemaExtensionNode):
            for operation in one.operation_types or ():
                if operation.operation.value == "query":
                    return operation.type.name.value
    return "Query"
