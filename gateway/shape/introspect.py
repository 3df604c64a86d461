"""Introspection (`__schema`, `__type`) and the root's `__typename`: answered from the API schema, never by a subgraph."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphql import GraphQLSchema, graphql_sync

from gateway.request.operation import Field, Operation, Selections, print_selections

META = frozenset({"__schema", "__type", "__typename"})


def without_meta(operation: Operation) -> Operation:
    """The operation as subgraphs are asked: without the root's meta fields."""
    rest = tuple(item for item in operation.selections if not (isinstance(item, Field) and item.name in META))
    return replace(operation, selections=rest)


def meta_fields(operation: Operation) -> Selections:
    """The root's introspection fields."""
    return tuple(
        item for item in operation.selections if isinstance(item, Field) and item.name in ("__schema", "__type")
    )


def introspect(schema: GraphQLSchema, operation: Operation, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the root's introspection fields, by key; nothing when there are none."""
    fields = meta_fields(operation)
    if not fields:
        return {}
    used = {name for item in fields if isinstance(item, Field) for name in _variables(item)}
    declared = ",".join(f"${name}:{kind}" for name, kind in operation.variables if name in used)
    text = "query" + (f"({declared})" if declared else "") + print_selections(fields)
    result = graphql_sync(schema, text, variable_values={name: variables[name] for name in used if name in variables})
    return dict(result.data or {})


def _variables(item: Field) -> set[str]:
    found = set(item.variables)
    for below in item.selections:
        if isinstance(below, Field):
            found |= _variables(below)
    return found
