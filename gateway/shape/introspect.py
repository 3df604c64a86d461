"""Introspection (`__schema`, `__type`) and the `__typename` of root types: answered from the API schema.

Subgraphs are never asked for them. A query root may also be nested (`{ viewer { query { __schema { ... } } }
}`); values for nested introspection fields are stored by field under the key NESTED, which no client can use.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from graphql import ExecutionResult, GraphQLSchema, experimental_execute_incrementally, parse

from gateway.request.operation import Field, Fragment, Operation, Selections, print_selections

INTROSPECTION = frozenset({"__schema", "__type"})
NESTED = "nested introspection"  # response keys have no spaces


def without_meta(operation: Operation, roots: Collection[str]) -> Operation:
    """Return the operation for the subgraphs: without introspection and the `__typename` of root types.

    Root types may have other names in a subgraph. A fragment that becomes empty is removed too. `roots`: the
    names of the root types.
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
    """Yield the introspection fields of a selection, at any depth."""
    for item in selections:
        if isinstance(item, Field) and item.name in INTROSPECTION:
            yield item
        else:
            yield from _below(item.selections)


def meta_fields(operation: Operation) -> tuple[Field, ...]:
    """Return the introspection fields of an operation, at any depth."""
    return tuple(_below(operation.selections))


def introspect(schema: GraphQLSchema, operation: Operation, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the root's introspection fields, by response key; empty if there are none.

    Values of introspection fields inside other fields are under the key NESTED, by the id of the `Field`.
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
    values = {name: variables[name] for name in used if name in variables}
    # graphql-core's `execute` refuses schemas with @defer; without it in the text both do the same
    result = experimental_execute_incrementally(schema, parse(text), variable_values=values)
    return dict(result.data or {}) if isinstance(result, ExecutionResult) else {}


def _variables(selections: Selections) -> Iterator[str]:
    for item in selections:
        if not isinstance(item, Fragment):
            yield from item.variables
        yield from _variables(item.selections)
