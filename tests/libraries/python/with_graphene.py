"""A subgraph of graphene-federation, by its lines."""

from collections.abc import Mapping
from typing import Any

import graphene
from graphene_federation import FederationVersion, build_schema, key, shareable
from lines import PRODUCTS, serve


@key("id")
class Product(graphene.ObjectType):  # type: ignore[misc]
    """Something that is sold."""

    id = graphene.ID(required=True)
    name = shareable(graphene.String())

    def __resolve_reference(self, *_: object, **__: object) -> "Product":
        """The product with a key."""
        return Product(**PRODUCTS[self.id])


class Query(graphene.ObjectType):  # type: ignore[misc]
    """The roots."""

    product = graphene.Field(Product)

    @staticmethod
    def resolve_product(*_: object) -> Product:
        """The first product."""
        return Product(**PRODUCTS["1"])


schema = build_schema(query=Query, types=(Product,), federation_version=FederationVersion.VERSION_2_6)


def answer(query: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Execute one request."""
    result = schema.execute(query, variables=dict(variables))
    return {"data": result.data, "errors": [str(one) for one in result.errors or ()] or None}


if __name__ == "__main__":
    serve(answer)
