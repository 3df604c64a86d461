"""Renames a subgraph's root types to Query, Mutation and Subscription, the names that the supergraph uses."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import Visitor, visit
from graphql.language import DefinitionNode, NamedTypeNode, NameNode, TypeDefinitionNode, TypeExtensionNode

from gateway.supergraph.api_schema import copied


class _Renamer(Visitor):
    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self.names = names

    def leave(self, node: Any, *_: object) -> Any:
        """Rename a definition or reference."""
        if (
            isinstance(node, NamedTypeNode | TypeDefinitionNode | TypeExtensionNode)
            and node.name.value in self.names
        ):
            return copied(node, name=NameNode(value=self.names[node.name.value]), loc=node.loc)
        return None


def with_usual_roots(nodes: Iterable[DefinitionNode], names: Mapping[str, str]) -> list[DefinitionNode]:
    """Return the definitions with root types renamed everywhere, source locations kept.

    `names`: the default name for each type to rename, such as {"RootQuery": "Query"}.
    """
    if not names:
        return list(nodes)
    renamer = _Renamer(names)
    return [visit(node, renamer) for node in nodes]
