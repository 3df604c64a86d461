"""Finds the AST node of a schema coordinate, so that an error can name its line and column."""

import re
from collections.abc import Sequence

from graphql.language import Node

from gateway.compose.model import SubgraphSchema

_COORDINATE = re.compile(r"(?P<type>\w+)(\.(?P<member>\w+)(\((?P<argument>\w+):\))?)?")


def find_node(schemas: Sequence[SubgraphSchema], coordinate: str, subgraph: str | None = None) -> Node | None:
    """Return the node that defines a coordinate (`Type`, `Type.field`, `Type.field(argument:)`), or None.

    It searches one subgraph, or without `subgraph` all in order. Enum values give the node of their enum; an
    unknown argument gives the node of its field.
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
