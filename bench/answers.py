"""The benchmark's four subgraphs: graphql-core executes their queries over SHARED/bench/data.json.

Each reply is computed once and cached by its request, so that the subgraphs cost little CPU.
`bench.subgraphs` serves them over HTTP, `bench.inside` calls them in the gateway's process.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from graphql import DocumentNode, GraphQLSchema, build_ast_schema, graphql_sync, parse
from graphql.language import DefinitionNode, ObjectTypeDefinitionNode, ObjectTypeExtensionNode

KEPT = 50_000  # cached replies of one subgraph
Resolved = Mapping[str, Any]
"""The value of an object: by field name, the value or a function that resolves it."""
Entity = Callable[[Resolved], Resolved]
"""Resolves a representation to the value of the entity."""


def executable(sdl: str, entities: Mapping[str, Entity]) -> GraphQLSchema:
    """Return a subgraph's SDL as an executable schema, with the root fields `_entities` and `_service`.

    `entities`: by type name, the function that resolves a representation to the entity.
    """
    more = f"""
        scalar _Any
        union _Entity = {" | ".join(entities)}
        type _Service {{ sdl: String }}
        type Query {{ _entities(representations: [_Any!]!): [_Entity]!, _service: _Service }}
    """
    types = [_plain(node) for node in parse(sdl).definitions]
    document = DocumentNode(definitions=(*(node for node in types if node), *parse(more).definitions))
    return build_ast_schema(document, assume_valid_sdl=True)


def _plain(node: DefinitionNode) -> DefinitionNode | None:
    """Return a definition of the SDL, changed for a schema of this subgraph alone; None to omit it.

    Only object types remain. An extension of an entity becomes a definition, because the type is defined in
    another subgraph.
    """
    if isinstance(node, ObjectTypeExtensionNode) and node.name.value != "Query":
        return ObjectTypeDefinitionNode(name=node.name, fields=node.fields)
    return node if isinstance(node, ObjectTypeExtensionNode | ObjectTypeDefinitionNode) else None


class Subgraph:
    """One subgraph: its schema, its resolvers, the cache of its replies, and the number of its requests.

    `roots`: the values or resolvers of root fields, by name. `entities`: by type name, the function that
    resolves a representation to the entity.
    """

    def __init__(self, sdl: str, roots: Resolved, entities: Mapping[str, Entity]) -> None:
        self.schema = executable(sdl, entities)
        self.roots = {
            **roots,
            "_service": {"sdl": sdl},
            "_entities": lambda _, representations: [
                {"__typename": one["__typename"], **entities[one["__typename"]](one)}
                for one in representations
            ],
        }
        self.kept: dict[Any, bytes] = {}
        self.requests = 0

    def reply(self, body: bytes) -> bytes:
        """Return the body of the reply to a request with this body."""
        self.requests += 1
        return self.kept.get(body) or self._keep(body, json.loads(body))

    async def call(
        self, query: str, variables: Mapping[str, Any] | None, name: str | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the reply to a direct call in the process (`LocalTransport`); the caller may change it."""
        self.requests += 1
        key = (query, orjson.dumps(variables))
        kept = self.kept.get(key) or self._keep(
            key, {"query": query, "variables": variables, "operationName": name}
        )
        answer: dict[str, Any] = orjson.loads(kept)
        return answer

    def _keep(self, key: Any, request: Mapping[str, Any]) -> bytes:
        if len(self.kept) >= KEPT:
            self.kept.clear()
        result = graphql_sync(
            self.schema,
            request["query"],
            self.roots,
            variable_values=request.get("variables"),
            operation_name=request.get("operationName"),
        )
        self.kept[key] = orjson.dumps(result.formatted)
        return self.kept[key]


def load_subgraphs(folder: Path) -> dict[str, Subgraph]:
    """Return the four subgraphs by name; `folder` has their SDLs and data."""
    data = json.loads((folder / "data.json").read_bytes())
    users = {user["id"]: user for user in data["users"]}
    products = {product["upc"]: product for product in data["products"]}
    stock = {item["upc"]: {**item, "shippingEstimate": None} for item in data["inventory"]}

    def reviewer(one: Resolved) -> Resolved:
        first_two = [review(row) for row in data["reviews"][:2]]
        return {"id": one["id"], "username": one.get("username"), "reviews": first_two}

    def reviewed(one: Resolved) -> Resolved:
        return {
            "upc": one["upc"],
            "reviews": lambda _: [r for r in map(review, data["reviews"]) if at(r, one["upc"])],
        }

    def at(row: Resolved, upc: str) -> bool:
        return bool(row["product"]["upc"] == upc)

    def review(row: Resolved) -> dict[str, Any]:
        author = {"id": "1", "username": users["1"]["username"]}
        return {**row, "product": reviewed({"upc": row["product"]}), "author": lambda _: reviewer(author)}

    top = {"topProducts": lambda _, first: list(products.values())[:first]}
    accounts = {"users": list(users.values()), "me": users["1"], "user": lambda _, id: users.get(id)}
    parts: dict[str, tuple[Resolved, dict[str, Entity]]] = {
        "accounts": (accounts, {"User": lambda one: users[one["id"]]}),
        "inventory": ({}, {"Product": lambda one: stock[one["upc"]]}),
        "products": (top, {"Product": lambda one: products[one["upc"]]}),
        "reviews": (
            {},
            {"Product": reviewed, "User": reviewer, "Review": lambda one: review(by_id[one["id"]])},
        ),
    }
    by_id = {row["id"]: row for row in data["reviews"]}
    return {name: Subgraph((folder / f"{name}.graphql").read_text(), *part) for name, part in parts.items()}
