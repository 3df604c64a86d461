"""A subgraph of strawberry-graphql, by its lines."""

from collections.abc import Mapping
from typing import Any

import strawberry
from lines import PRODUCTS, serve


@strawberry.federation.type(keys=["id"])
class Product:
    """Something that is sold."""

    id: strawberry.ID
    name: str | None = strawberry.federation.field(shareable=True, tags=["listed"])

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Product":
        """The product with a key."""
        return cls(**PRODUCTS[id])


@strawberry.type
class Query:
    """The roots."""

    @strawberry.field
    def product(self) -> Product | None:
        """The first product."""
        return Product(**PRODUCTS["1"])


schema = strawberry.federation.Schema(query=Query)


def answer(query: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Execute one request."""
    result = schema.execute_sync(query, variable_values=dict(variables))
    return {"data": result.data, "errors": [str(one) for one in result.errors or ()] or None}


if __name__ == "__main__":
    serve(answer)
