"""Random replies to valid requests: mostly valid, sometimes with the faults that subgraphs have.

A reply depends on the seed, the subgraph, the request text and each representation, but not on the order of
representations: two executions with the same calls get the same replies.
"""

import json
from collections.abc import Iterator
from copy import copy
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_ast_schema,
    parse,
)
from graphql.language import (
    FieldNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from gateway.transport.base import Call

WRONG: tuple[Any, ...] = (True, 7, 1.5, "odd", [], {}, [None], {"a": 1}, 2**40)
DEFINITIONS = """
directive @key(fields: String!) repeatable on OBJECT | INTERFACE
directive @external on FIELD_DEFINITION
directive @requires(fields: String!) on FIELD_DEFINITION
directive @shareable on FIELD_DEFINITION | OBJECT
"""
MISSING = object()


class RandomReplies:
    """Replies to calls. `share`: the share of values that are faulty, 0 to 1."""

    def __init__(self, sdls: dict[str, str], seed: int, share: float) -> None:
        self.schemas = {
            name: build_ast_schema(parse(DEFINITIONS + sdl), assume_valid_sdl=True)
            for name, sdl in sdls.items()
        }
        self.seed = seed
        self.share = share

    def seeded(self, seed: int) -> "RandomReplies":
        """Return the same subgraphs with other replies."""
        made = copy(self)
        made.seed = seed
        return made

    def __call__(self, call: Call) -> Any:
        """Return the reply to a call: data, or an exception for a subgraph that can't be reached."""
        schema = self.schemas[call.subgraph]
        r = Random(f"{self.seed} {call.subgraph} {call.query}")
        if r.random() < self.share / 4:
            return r.choice(({"data": None}, {"errors": []}, {"errors": [{"message": "refused"}]}, []))
        operation = parse(call.query).definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        errors: list[dict[str, Any]] = []
        data: dict[str, Any] = {}
        for item in fields_of(operation.selection_set):
            key = item.alias.value if item.alias else item.name.value
            if item.name.value == "_entities":
                data[key] = self.entities(schema, call, item, key, errors)
            else:
                root = schema.query_type
                assert root is not None
                data[key] = self.field(schema, root, item, r, [key], errors)
        payload: dict[str, Any] = {
            "data": {key: value for key, value in data.items() if value is not MISSING}
        }
        if errors:
            payload["errors"] = errors
        if r.random() < self.share / 4:
            payload["errors"] = [*errors, {"message": "somewhere"}]
        return payload

    def entities(
        self, schema: GraphQLSchema, call: Call, item: FieldNode, key: str, errors: list[dict[str, Any]]
    ) -> Any:
        """Return the entities for the representations of one lookup."""
        variable = next(one.value for one in item.arguments or ())
        assert isinstance(variable, VariableNode)
        argument = variable.name.value
        out: list[dict[str, Any] | None] = []
        for place, one in enumerate(call.variables[argument]):
            own = Random(f"{self.seed} {call.subgraph} {call.query} {json.dumps(one, sort_keys=True)}")
            kind = schema.type_map.get(one["__typename"])
            if not isinstance(kind, GraphQLObjectType) or own.random() < self.share:
                out.append(None)
                continue
            assert item.selection_set is not None
            out.append(self.object(schema, kind, item.selection_set, own, [key, place], errors))
        return out

    def object(
        self,
        schema: GraphQLSchema,
        kind: GraphQLObjectType,
        selections: SelectionSetNode,
        r: Random,
        path: list[Any],
        errors: list[dict[str, Any]],
    ) -> dict[str, Any]:
        """Return an object of a type, with the selected fields."""
        out: dict[str, Any] = {}
        for item in fields_of(selections, schema, kind):
            key = item.alias.value if item.alias else item.name.value
            value = self.field(schema, kind, item, r, [*path, key], errors)
            if value is not MISSING and key not in out:
                out[key] = value
        if r.random() < self.share / 4:
            out["extra"] = 1
        return out

    def field(
        self,
        schema: GraphQLSchema,
        kind: GraphQLObjectType,
        item: FieldNode,
        r: Random,
        path: list[Any],
        errors: list[dict[str, Any]],
    ) -> Any:
        """Return the value of a field, or MISSING."""
        name = item.name.value
        if name == "__typename":
            return r.choice((7, "Nothing", MISSING)) if r.random() < self.share / 3 else kind.name
        if r.random() < self.share:
            fault = r.choice(("null", "wrong", "missing", "error", "error elsewhere"))
            if fault == "error":
                errors.append({"message": f"{name} failed", "path": path, "extensions": {"code": "BAD"}})
            elif fault == "error elsewhere":
                errors.append({"message": f"{name} failed", "path": [*path, "x", 3]})
            elif fault == "missing":
                return MISSING
            return r.choice(WRONG) if fault == "wrong" else None
        return self.value(schema, kind.fields[name].type, item, r, path, errors)

    def value(
        self,
        schema: GraphQLSchema,
        reference: Any,
        item: FieldNode,
        r: Random,
        path: list[Any],
        errors: list[dict[str, Any]],
    ) -> Any:
        """Return a value of a type."""
        if isinstance(reference, GraphQLNonNull):
            reference = reference.of_type
        elif r.random() < 0.08:
            return None
        if isinstance(reference, GraphQLList):
            inner = reference.of_type
            return [
                self.value(schema, inner, item, r, [*path, place], errors)
                if r.random() > self.share
                else None
                for place in range(r.choice((0, 1, 2, 2, 3)))
            ]
        if isinstance(reference, GraphQLInterfaceType | GraphQLUnionType):
            reference = r.choice(schema.get_possible_types(reference))
        if isinstance(reference, GraphQLObjectType):
            assert item.selection_set is not None
            return self.object(schema, reference, item.selection_set, r, path, errors)
        if isinstance(reference, GraphQLEnumType):
            return r.choice(list(reference.values))
        number = r.randrange(4)
        plain = {
            "Int": number,
            "Float": number / 2,
            "Boolean": number > 1,
            "Json": r.choice((1, "a", [1], {"b": 2.50})),
        }
        return plain.get(reference.name, f"s{number}")


def fields_of(
    selections: SelectionSetNode, schema: GraphQLSchema | None = None, kind: GraphQLObjectType | None = None
) -> Iterator[FieldNode]:
    """Yield the fields that are selected on an object of a type."""
    for item in selections.selections:
        if isinstance(item, FieldNode):
            yield item
        elif isinstance(item, InlineFragmentNode):
            condition = (
                schema.type_map[item.type_condition.name.value] if schema and item.type_condition else kind
            )
            fits = condition is kind or (
                schema is not None
                and isinstance(condition, GraphQLInterfaceType | GraphQLUnionType)
                and kind is not None
                and schema.is_sub_type(condition, kind)
            )
            if fits:
                yield from fields_of(item.selection_set, schema, kind)
