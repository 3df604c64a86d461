"""Finding the AST node of a schema coordinate, for the place of an error."""

import re
from collections.abc import Sequence

from graphql.language import Node

from gateway.compose.model import SubgraphSchema

_COORDINATE = re.compile(r"(?P<type>\w+)(\.(?P<member>\w+)(\((?P<argument>\w+):\))?)?")


def find_node(schemas: Sequence[SubgraphSchema], coordinate: str, subgraph: str | None = None) -> Node | None:
    """The node that defines a coordinate in a subgraph, or in the first subgraph that has it; the node of its
    type if it has none.
    """
    match = _COORDINATE.fullmatch(coordinate)
    if match is None:
        return None
    for schema in schemas:
        item = schema.types.get(match["type"])
        if item is None or item.node.loc is None or (subgraph is not None and schema.name != subgraph):
            continue
        member = match["member"]
        if member is None:
            return item.node
        if member in item.values:
            return item.node
        if member in item.inputs:
            return item.inputs[member].node
        field = item.fields.get(member)
        if field is not None:
            argument = field.arguments.get(match["argument"] or "")
            return argument.node if argument else field.node
    return None
