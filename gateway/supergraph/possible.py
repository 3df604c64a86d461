"""The object types that a value of each type in the API schema may have, for clients and responses."""

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, GraphQLUnionType


class PossibleTypes:
    """The object types of each composite type of a schema; empty for other types and unknown names."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._known: dict[str, frozenset[str]] = {}

    def of(self, name: str) -> frozenset[str]:
        """Return the visible object types of one type."""
        if name not in self._known:
            self._known[name] = frozenset(self._find(name))
        return self._known[name]

    def _find(self, name: str) -> list[str]:
        kind = self.schema.type_map.get(name)
        if isinstance(kind, GraphQLObjectType):
            return [name]
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            return [item.name for item in self.schema.get_possible_types(kind)]
        return []
