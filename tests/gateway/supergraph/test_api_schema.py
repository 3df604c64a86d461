"""The API schema works with graphql-core's own tools."""

import pytest
from graphql import GraphQLScalarType, lexicographic_sort_schema

from gateway.supergraph.load import load_supergraph
from tests.gateway.support import supergraph_of

SDL = "scalar Any input In { a: Any } type Query { b(in: In, a: Any): Any a: Int }"


@pytest.mark.parametrize("sdl", [SDL, SDL.replace("Any ", 'Any @specifiedBy(url: "https://x.y") ', 1)])
def test_a_schema_with_custom_scalars_can_be_copied(sdl: str) -> None:
    """Sorting copies each type: the copy of a scalar coerces literals and values as the scalar does."""
    api = load_supergraph(supergraph_of({"a": sdl})).api
    once = lexicographic_sort_schema(api)
    for copied in (once, lexicographic_sort_schema(once)):
        scalar, ours = copied.type_map["Any"], api.type_map["Any"]
        assert isinstance(scalar, GraphQLScalarType)
        assert isinstance(ours, GraphQLScalarType)
        assert scalar.coerce_input_literal == ours.coerce_input_literal
        assert scalar.coerce_input_value({"a": [1]}) == {"a": [1]}
