"""A GraphQL request as a client sends it, whatever carried it here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NO_VARIABLES: Mapping[str, Any] = MappingProxyType({})


class GraphQLRequest(NamedTuple):
    """What a client asks: a document, which of its operations, and the variables.

    `query_only`: it came by GET, which changes nothing. `plan`: the client wants to see the plan, too.
    """

    query: str
    variables: Mapping[str, Any] = NO_VARIABLES
    operation_name: str | None = None
    query_only: bool = False
    plan: bool = False
