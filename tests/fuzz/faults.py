"""Chooses the fields that fail, once for a supply, by object and field.

So the monolith and every subgraph have the same failures.
"""

from random import Random

from graphql import (
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_nullable_type,
)
from graphql.language import FieldNode, InlineFragmentNode, SelectionSetNode

from tests.fuzz.world import Data, Fault, Requirements


def random_faults(
    r: Random, schema: GraphQLSchema, data: Data, safe: set[tuple[str, str]]
) -> tuple[Fault, ...]:
    """Return faults: about a third of the fields fail, each for some objects.

    `safe`: (type, field) that never fail.
    """
    found = []
    for kind, objects in data.items():
        definition = schema.type_map.get(kind)
        assert isinstance(definition, GraphQLObjectType)
        for name, field in definition.fields.items():
            if (kind, name) in safe or r.random() >= 0.3:
                continue
            kinds = ["error", "null"]
            if isinstance(get_nullable_type(field.type), GraphQLList):
                kinds.append("item")
            for index in range(len(objects)):
                if r.random() < 0.25:
                    found.append(Fault(f"{kind}/{index}", name, r.choice(kinds)))
    return tuple(found)


def strict_inputs(schema: GraphQLSchema, requirements: Requirements) -> set[tuple[str, str]]:
    """Return the @requires inputs that must not be null, and what must not be null inside an input.

    They must not fail in a mutation. Their failure could null the object that the mutation's only request
    returns; the monolith, which does not select them, would return the object.
    """
    found: set[tuple[str, str]] = set()
    for (kind, _), wanted in requirements.items():
        found |= _strict(schema, kind, wanted)
    return found


def _fragile(schema: GraphQLSchema, kind: str, found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the non-null fields of an object, and recursively those of the values of such fields."""
    definition = schema.type_map.get(kind)
    if isinstance(definition, GraphQLInterfaceType | GraphQLUnionType):
        for member in schema.get_possible_types(definition):
            _fragile(schema, member.name, found)
    elif isinstance(definition, GraphQLObjectType):
        for name, field in definition.fields.items():
            reference = str(field.type)
            if "!" in reference and (kind, name) not in found:
                found.add((kind, name))
                _fragile(schema, reference.strip("[]!"), found)
    return found


def _strict(schema: GraphQLSchema, kind: str, wanted: SelectionSetNode) -> set[tuple[str, str]]:
    definition = schema.type_map.get(kind)
    found: set[tuple[str, str]] = set()
    for item in wanted.selections:
        if isinstance(item, InlineFragmentNode):
            below = item.type_condition.name.value if item.type_condition else kind
            found |= _strict(schema, below, item.selection_set)
        elif isinstance(item, FieldNode) and isinstance(definition, GraphQLObjectType):
            if item.name.value == "__typename":
                continue
            reference = str(definition.fields[item.name.value].type)
            if "!" in reference:
                found.add((kind, item.name.value))
            if item.selection_set:
                found |= _strict(schema, reference.strip("[]!"), item.selection_set)
                found |= _fragile(schema, reference.strip("[]!"), set())
    return found
