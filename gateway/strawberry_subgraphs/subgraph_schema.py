"""A federation schema where a wrong representation is an error of its entity alone."""

from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry import Info
from strawberry.federation.schema import FederationAny


class SubgraphSchema(strawberry.federation.Schema):
    """`strawberry.federation.Schema` that resolves each representation for itself.

    Strawberry's schema fails as a whole for one unknown `__typename`, and for two aliases of `_entities` with
    the same variable, since it changes the caller's variables. The decorators of this package also work with
    strawberry's schema.
    """

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        """Resolve each representation; what can't be resolved is an exception in its place."""
        return [self._entity(info, representation) for representation in representations]

    def _entity(self, info: Info, representation: Any) -> Any:
        if not isinstance(representation, dict):
            return GraphQLError("a representation must be an object with the field __typename")
        name = representation.get("__typename")
        known = self.schema_converter.type_map.get(name) if isinstance(name, str) else None
        if known is None or not hasattr(known.definition, "fields"):
            return GraphQLError(
                f"a representation has the __typename {name!r}, which is no entity of this subgraph"
            )
        try:
            return super().entities_resolver(info, [FederationAny(dict(representation))])[0]
        except Exception as error:
            return error
