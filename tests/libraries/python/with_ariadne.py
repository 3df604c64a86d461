"""A subgraph of ariadne, by its lines."""

from collections.abc import Mapping
from typing import Any

from ariadne import QueryType, graphql_sync
from ariadne.contrib.federation import FederatedObjectType, make_federated_schema
from lines import PRODUCTS, serve

SDL = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@tag"])
type Query { product: Product }
type Product @key(fields: "id") { id: ID! name: String @shareable @tag(name: "listed") }
"""
query_type, product = QueryType(), FederatedObjectType("Product")
query_type.set_field("product", lambda *_: PRODUCTS["1"])
product.reference_resolver(lambda _root, _info, given: PRODUCTS[given["id"]])
schema = make_federated_schema(SDL, [query_type, product])


def answer(query: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Execute one request."""
    _, result = graphql_sync(schema, {"query": query, "variables": dict(variables)})
    return dict(result)


if __name__ == "__main__":
    serve(answer)
