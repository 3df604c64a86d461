"""Subgraphs for tests: a federation SDL executed by graphql-core over plain data, in process."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLResolveInfo, build_schema, graphql_sync

from gateway.transport.local import LocalTransport

Data = Mapping[str, Any]
_EXTRA = """
scalar _Any
scalar federation__FieldSet
scalar federation__ContextFieldValue
directive @link(url: String, import: [String]) repeatable on SCHEMA
directive @key(fields: String!, resolvable: Boolean) repeatable on OBJECT | INTERFACE
directive @requires(fields: String!) on FIELD_DEFINITION
directive @external on FIELD_DEFINITION
directive @shareable repeatable on FIELD_DEFINITION | OBJECT
directive @override(from: String!, label: String) on FIELD_DEFINITION
directive @context(name: String!) repeatable on OBJECT | INTERFACE | UNION
directive @fromContext(field: String) on ARGUMENT_DEFINITION
"""


class Subgraph:
    """One subgraph.

    `data` has root fields under "Query" and entities under "Type:id"; a callable receives the field's
    arguments. Requests are recorded with their variables.
    """

    def __init__(self, sdl: str, data: Data) -> None:
        self.data = data
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        entities = sorted({name.split(":")[0] for name in data if ":" in name})
        entry = (
            f"union _Entity = {' | '.join(entities)}\n"
            "extend type Query { _entities(representations: [_Any!]!): [_Entity]! }"
        )
        root = "" if "type Query" in sdl else "type Query { _service: String }\n"
        self.schema = build_schema(f"{_EXTRA}{root}{sdl}\n{entry if entities else ''}")

    async def __call__(
        self,
        query: str,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        headers: Mapping[str, str],
    ) -> dict[str, Any]:
        """Execute a request."""
        self.asked.append((query, variables or {}))
        result = graphql_sync(
            self.schema,
            query,
            variable_values=dict(variables or {}),
            operation_name=operation_name,
            field_resolver=self._resolve,
            type_resolver=lambda value, *_: value["__typename"],
        )
        return {**result.formatted}

    def _resolve(self, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        if info.field_name == "_entities":
            return [self._entity(one) for one in arguments["representations"]]
        value = (source if isinstance(source, dict) else self.data["Query"]).get(info.field_name)
        if callable(value):
            return value(source, **arguments)
        return value

    def _entity(self, representation: Mapping[str, Any]) -> dict[str, Any] | None:
        found = self.data.get(f"{representation['__typename']}:{representation['id']}")
        return {**found, **representation} if found is not None else None


def transport_of(subgraphs: Mapping[str, Subgraph]) -> LocalTransport:
    """Return the transport to these subgraphs."""
    return LocalTransport(dict(subgraphs))
