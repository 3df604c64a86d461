"""Adds @defer and @stream to the schema that clients see."""

from graphql import GraphQLDeferDirective, GraphQLSchema, GraphQLStreamDirective

ADDED = (GraphQLDeferDirective, GraphQLStreamDirective)


def with_incremental(api: GraphQLSchema) -> GraphQLSchema:
    """Return the schema with the two directives; directives of these names in the supergraph are replaced."""
    names = {one.name for one in ADDED}
    given = api.to_kwargs()
    kept = [one for one in api.directives if one.name not in names]
    given["directives"] = (*kept, *ADDED)
    return GraphQLSchema(**given)
