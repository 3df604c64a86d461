"""Introspection (`__schema`, `__type`) and the `__typename` of root types, from the API schema and never from
a subgraph.

A query root may also be nested (`{ viewer { query { __schema { ... } } } }`); the values for nested fields
are stored under a key that no client can use, by field.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from graphql import GraphQLSchema, graphql_sync

from gateway.request.operation import Field, Fragment, Operation, Selections, print_selections

INTROSPECTION = frozenset({"__schema", "__type"})
NESTED = "nested introspection"  # response keys have no spaces


def without_meta(operation: Operation, roots: Collection[str]) -> Operation:
    """The operation for the subgraphs: without introspection, and without the `__typename` of root types,
    whose names may differ in a subgraph. A fragment that is empty after that is removed too.

    `roots`: the names of the root types.
    """
    return replace(operation, selections=_stripped(operation.selections, roots))


def _stripped(selections: Selections, roots: Collection[str]) -> Selections:
    kept: list[Field | Fragment] = []
    for item in selections:
        if isinstance(item, Field) and (
            item.name in INTROSPECTION or (item.name == "__typename" and item.parent in roots)
        ):
            continue
        below = _stripped(item.selections, roots)
        if below or isinstance(item, Field):
            kept.append(item if below == item.selections else replace(item, selections=below))
    return tuple(kept)


def _below(selections: Selections) -> Iterator[Field]:
    """The introspection fields of a selection, at any depth."""
    for item in selections:
        if isinstance(item, Field) and item.name in INTROSPECTION:
            yield item
        else:
            yield from _below(item.selections)


def meta_fields(operation: Operation) -> tuple[Field, ...]:
    """The introspection fields of an operation, at any depth."""
    return tuple(_below(operation.selections))


def introspect(schema: GraphQLSchema, operation: Operation, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the root's introspection fields, by response key; empty if the operation has none.

    Values of introspection fields below other fields are under the key NESTED, by the id of the `Field`.
    """
    own = tuple(
        item for item in operation.selections if isinstance(item, Field) and item.name in INTROSPECTION
    )
    found = _answers(schema, operation, own, variables) if own else {}
    nested = [item for item in meta_fields(operation) if all(item is not one for one in own)]
    if nested:
        found[NESTED] = {
            id(item): _answers(schema, operation, (item,), variables).get(item.key) for item in nested
        }
    return found


def _answers(
    schema: GraphQLSchema, operation: Operation, fields: tuple[Field, ...], variables: Mapping[str, Any]
) -> dict[str, Any]:
    used = set(_variables(fields))
    declared = ",".join(f"${name}:{kind}" for name, kind in operation.variables if name in used)
    text = "query" + (f"({declared})" if declared else "") + print_selections(fields)
    result = graphql_sync(
        schema, text, variable_values={name: variables[name] for name in used if name in variables}
    )
    return dict(result.data or {})


def _variables(selections: Selections) -> Iterator[str]:
    for item in selections:
        if not isinstance(item, Fragment):
            yield from item.variables
        yield from _variables(item.selections)
